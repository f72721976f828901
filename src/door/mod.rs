pub mod cli;
pub mod sendmail;
