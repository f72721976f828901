//! A recipient as an envelope holds it: where it is, and what the sender asked about it alone.

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

/// One recipient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenRecipient")]
pub struct Recipient {
    /// Where it is.
    #[serde(flatten)]
    pub address: Address,
    /// On what the sender wants reports about this one; `None` leaves it to what was asked for the whole message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<NotifyOn>,
    /// The address that the sender wrote (RFC 3461 section 4.2), where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orcpt: Option<OriginalRecipient>,
    /// The address that an alias or a rule made this one of.
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
        let address = Address::new(AddressType::parse(&written.r#type)?, &written.address)?;
        Ok(Recipient { address, notify: written.notify, orcpt: written.orcpt, expanded_from: written.expanded_from })
    }
}

impl From<Address> for Recipient {
    fn from(address: Address) -> Recipient {
        Recipient { address, notify: None, orcpt: None, expanded_from: None }
    }
}
