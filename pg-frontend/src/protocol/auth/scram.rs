//! SCRAM-SHA-256, the server's side. <https://www.rfc-editor.org/rfc/rfc5802>, <https://www.rfc-editor.org/rfc/rfc7677>

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::verifier::{Verifier, same, sha256, sign};
use crate::error::{PgError, Result};

/// An exchange that waits for the client's proof.
#[derive(Debug)]
pub struct Exchange {
    verifier: Verifier,
    /// The user exists: without, no proof is good enough.
    known: bool,
    /// What the client will send back as channel binding: its first header.
    header: Vec<u8>,
    nonce: String,
    /// `client-first-message-bare "," server-first-message`
    messages: String,
}

/// The client's first message out of a `SASLInitialResponse`.
///
/// # Errors
/// 08P01: another mechanism, or a length that does not fit.
pub(super) fn initial_response(body: &[u8]) -> Result<&str> {
    let mut fields = super::super::frontend::Fields(body);
    if fields.string()? != "SCRAM-SHA-256" {
        return Err(malformed(
            "the client chose a mechanism that was not offered",
        ));
    }
    let length = fields.u32()? as usize;
    let message = fields.take(length)?;
    std::str::from_utf8(message).map_err(|_| malformed("it is not UTF-8"))
}

impl Exchange {
    /// Takes the client's first message; returns the server's.
    ///
    /// # Errors
    /// 08P01: the message is malformed, or asks for what we do not do.
    pub fn begin(
        first: &str,
        user: &str,
        known: Option<&Verifier>,
        nonce: &[u8; 18],
    ) -> Result<(Self, String)> {
        // gs2-header: "n,," or "y,,"; "p=…" would bind to a channel, and that is not offered.
        let bare = first
            .strip_prefix("n,")
            .or_else(|| first.strip_prefix("y,"))
            .and_then(|rest| rest.strip_prefix(','))
            .ok_or_else(|| malformed("its header is neither n,, nor y,,"))?;
        let header = first.as_bytes()[..first.len() - bare.len()].to_vec();
        let mut attributes = bare.split(',');
        // The name is in the startup message; what stands here is ignored, as in Postgres.
        let named = attributes.next().is_some_and(|name| name.starts_with("n="));
        let client = attributes.next().and_then(|nonce| nonce.strip_prefix("r="));
        let (true, Some(client)) = (named, client.filter(|nonce| !nonce.is_empty())) else {
            return Err(malformed("its first message has no name or no nonce"));
        };
        let verifier = known.cloned().unwrap_or_else(|| mock(user));
        let Verifier::Scram {
            iterations, salt, ..
        } = &verifier
        else {
            return Err(malformed("the verifier is none of SCRAM"));
        };
        let nonce = format!("{client}{}", BASE64.encode(nonce));
        let challenge = format!("r={nonce},s={},i={iterations}", BASE64.encode(salt));
        let messages = format!("{bare},{challenge}");
        let exchange = Self {
            verifier,
            known: known.is_some(),
            header,
            nonce,
            messages,
        };
        Ok((exchange, challenge))
    }

    /// Takes the client's last message; returns the server's proof, or nothing if the client's is wrong.
    ///
    /// # Errors
    /// 08P01: the message is malformed.
    pub fn finish(self, last: &[u8]) -> Result<Option<String>> {
        let last = std::str::from_utf8(last).map_err(|_| malformed("it is not UTF-8"))?;
        let (without_proof, proof) = last
            .rsplit_once(",p=")
            .ok_or_else(|| malformed("its last message has no proof"))?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|text| text.strip_prefix("c="));
        if binding.and_then(|text| BASE64.decode(text).ok()) != Some(self.header) {
            return Err(malformed(
                "its channel binding is not that of its first message",
            ));
        }
        let nonce = attributes.next().and_then(|text| text.strip_prefix("r="));
        if nonce != Some(self.nonce.as_str()) {
            return Err(malformed("its nonce is not that of the exchange"));
        }
        let proof: [u8; 32] = BASE64
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or_else(|| malformed("its proof has a wrong length"))?;
        let Verifier::Scram {
            stored_key,
            server_key,
            ..
        } = &self.verifier
        else {
            return Ok(None);
        };
        let signed = format!("{},{without_proof}", self.messages);
        let signature = sign(stored_key, signed.as_bytes());
        let client_key: [u8; 32] = std::array::from_fn(|index| proof[index] ^ signature[index]);
        let right = same(&sha256(&client_key), stored_key) & self.known;
        Ok(right.then(|| format!("v={}", BASE64.encode(sign(server_key, signed.as_bytes())))))
    }
}

/// For a user who does not exist: the same salt at each attempt, so that it looks like a user's.
fn mock(user: &str) -> Verifier {
    let salt = sign(super::process_secret(), user.as_bytes());
    Verifier::Scram {
        iterations: std::num::NonZeroU32::MIN.saturating_add(4095),
        salt: salt[..16].to_vec(),
        stored_key: [0; 32],
        server_key: [0; 32],
    }
}

fn malformed(why: &str) -> PgError {
    let mut error = PgError::new("08P01", "malformed SCRAM message");
    error.detail = Some(format!("The client's message cannot be used: {why}."));
    error
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 7677 section 3.
    fn rfc() -> (Exchange, String) {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::scram("pencil", &salt.try_into().unwrap());
        let (mut exchange, _) = Exchange::begin(
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "user",
            Some(&verifier),
            &[0; 18],
        )
        .unwrap();
        exchange.nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned();
        let challenge = format!("r={},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", exchange.nonce);
        exchange.messages = format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{challenge}");
        let last = format!(
            "c=biws,r={},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            exchange.nonce
        );
        (exchange, last)
    }

    #[test]
    fn the_rfcs_example_is_proved() {
        let (exchange, last) = rfc();
        let proof = exchange.finish(last.as_bytes()).unwrap();
        assert_eq!(
            proof.as_deref(),
            Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        );
    }

    #[test]
    fn another_proof_or_nonce_is_none() {
        let (exchange, last) = rfc();
        let wrong = last.replace("p=dHz", "p=eHz");
        assert_eq!(exchange.finish(wrong.as_bytes()).unwrap(), None);
        let (exchange, last) = rfc();
        let wrong = last.replace("r=rOpr", "r=rOps");
        assert_eq!(exchange.finish(wrong.as_bytes()).unwrap_err().code, "08P01");
        let (exchange, last) = rfc();
        let wrong = last.replace("c=biws", "c=eSws");
        assert_eq!(exchange.finish(wrong.as_bytes()).unwrap_err().code, "08P01");
    }

    #[test]
    fn nobody_is_proved_by_nothing() {
        let (exchange, _) = Exchange::begin("n,,n=,r=x", "nobody", None, &[1; 18]).unwrap();
        let last = format!("c=biws,r={},p={}", exchange.nonce, BASE64.encode([0; 32]));
        assert_eq!(exchange.finish(last.as_bytes()).unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_message_may_come(first: String, last: Vec<u8>) {
            let _ = Exchange::begin(&first, "user", None, &[0; 18]);
            let _ = rfc().0.finish(&last);
            let _ = initial_response(&last);
        }
    }
}
