pub mod exit_status;
pub mod sendmail_run;
