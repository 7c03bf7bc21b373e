//! The lines about a client's calls, which are asked for at debug and trace.

use std::os::unix::ffi::OsStrExt;

use super::shared::Shared;
use crate::error::Error;
use crate::log::Level;
use crate::log_field::Value;
use crate::noted_call::NotedCall;
use crate::protocol::message::Response;

impl Shared {
    /// Notes a call, if the log asks for lines about calls.
    #[inline(always)]
    pub(super) fn note_call(&self, module: i32, method: i32, body: &[u8]) -> Option<NotedCall> {
        self.settings.log.is_on(Level::Debug).then(|| NotedCall::new(module, method, body.len()))
    }

    /// Writes a line about a call that has ended.
    #[cold]
    pub(super) fn log_call(&self, noted: NotedCall, result: &Result<Response, Error>) {
        let (log, names) = (&self.settings.log, self.settings.names);
        let path = Value(self.settings.path.given().as_os_str().as_bytes());
        match result {
            Ok(response) => {
                let answered = noted.answered(response.sequence, response.status, response.body.len());
                let (level, text) = (answered.level(), answered.text(names));
                match response.detail() {
                    // The server's words.
                    Some(detail) => {
                        let detail = Value(detail.as_bytes());
                        log.line(level, format_args!("{text} detail={detail} path={path}"));
                    }
                    None => log.line(level, format_args!("{text} path={path}")),
                }
            }
            Err(error) => {
                let (cause, fields, us) = (error.cause(), noted.fields(names), noted.us());
                log.line(Level::Debug, format_args!("a call has failed: {cause} {fields} us={us} path={path}"));
            }
        }
    }
}
