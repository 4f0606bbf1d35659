//! An operator, an account and a user, as `nsc` makes them: the tokens that a server trusts, and the user's credentials file.
//! <https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt>

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

use super::NatsOptions;

/// Their keys, and that of the account in which a server talks about itself.
#[derive(Debug)]
pub struct NatsOperator {
    operator: KeyPair,
    system: KeyPair,
    account: KeyPair,
    user: KeyPair,
}

impl NatsOperator {
    /// Makes them, with an account that may use JetStream.
    #[must_use]
    pub fn new() -> Self {
        Self {
            operator: KeyPair::new_operator(),
            system: KeyPair::new_account(),
            account: KeyPair::new_account(),
            user: KeyPair::new_user(),
        }
    }

    /// A server that trusts the operator, and knows the account.
    #[must_use]
    pub fn options(&self) -> NatsOptions {
        let name = self.operator.public_key();
        let operator = token(
            &self.operator,
            &name,
            &json!({"type": "operator", "version": 2}),
        );
        let unlimited = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        });
        let account = json!({"type": "account", "version": 2, "limits": unlimited});
        let (system, name) = (self.system.public_key(), self.account.public_key());
        let of_system = token(
            &self.operator,
            &system,
            &json!({"type": "account", "version": 2}),
        );
        let account = token(&self.operator, &name, &account);
        NatsOptions::default().lines(&format!(
            "operator: {operator}\nsystem_account: {system}\nresolver: MEMORY\n\
             resolver_preload: {{ {system}: {of_system}, {name}: {account} }}"
        ))
    }

    /// The file of the user.
    ///
    /// # Panics
    ///
    /// Never: the key has a seed.
    #[must_use]
    pub fn credentials(&self) -> String {
        let user = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
        let token = token(&self.account, &self.user.public_key(), &user);
        let seed = self.user.seed().expect("a new key has its seed");
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             ************************* IMPORTANT *************************\n\
             NKEY Seed printed below can be used to sign and prove identity.\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

impl Default for NatsOperator {
    fn default() -> Self {
        Self::new()
    }
}

/// A token about a key, signed by another.
fn token(issuer: &KeyPair, subject: &str, nats: &Value) -> String {
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let claims = json!({
        "jti": "test", "iat": 1_700_000_000, "iss": issuer.public_key(), "name": subject, "sub": subject, "nats": nats,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&header), part(&claims));
    let signature = issuer.sign(text.as_bytes()).expect("a new key can sign");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
