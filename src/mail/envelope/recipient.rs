//! Recipient in an envelope: the address, and the options of the sender for this recipient.

use serde::{Deserialize, Serialize};

use crate::mail::address::{Address, AddressError, AddressType};
use crate::mail::envelope::request::{NotifyOn, OriginalRecipient};
use crate::values::table::Table;

crate::index_type! {
    /// Position of a recipient in the envelope of its message, counted from 0.
    RecipientIndex
}

/// Recipients of one envelope, in its order.
pub type Recipients = Table<RecipientIndex, Recipient>;

/// Recipient of a message in the envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenRecipient")]
pub struct Recipient {
    /// Address of the recipient.
    #[serde(flatten)]
    pub address: Address,
    /// Reports that the sender requested for this recipient; `None` means those of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<NotifyOn>,
    /// Original recipient (RFC 3461 section 4.2), if it differs from the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orcpt: Option<OriginalRecipient>,
    /// Address that an alias or a rewrite rule replaced by this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expanded_from: Option<String>,
}

#[derive(Deserialize)]
struct WrittenRecipient {
    r#type: String,
    address: String,
    #[serde(default)]
    notify: Option<NotifyOn>,
    #[serde(default)]
    orcpt: Option<OriginalRecipient>,
    #[serde(default)]
    expanded_from: Option<String>,
}

impl TryFrom<WrittenRecipient> for Recipient {
    type Error = AddressError;

    fn try_from(written: WrittenRecipient) -> Result<Recipient, AddressError> {
        let address = Address::recorded(AddressType::parse(&written.r#type)?, &written.address)?;
        Ok(Recipient { address, notify: written.notify, orcpt: written.orcpt, expanded_from: written.expanded_from })
    }
}

impl From<Address> for Recipient {
    fn from(address: Address) -> Recipient {
        Recipient { address, notify: None, orcpt: None, expanded_from: None }
    }
}
