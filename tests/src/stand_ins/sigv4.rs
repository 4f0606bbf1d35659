//! Signature version 4, computed anew from a request as it came:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::time::SystemTime;

use chrono::NaiveDateTime;
use sha2::{Digest, Sha256};

use super::api::Call;

/// Who may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signer {
    pub(super) id: String,
    pub(super) key: String,
    /// The token of temporary credentials, or nothing.
    pub(super) session: String,
}

/// Checks the signature. `Err` is the code of the error of AWS.
pub(super) fn check(
    call: &Call,
    signer: &Signer,
    region: &str,
    service: &str,
    now: SystemTime,
) -> Result<(), &'static str> {
    let header = call
        .header("Authorization")
        .ok_or("MissingAuthenticationToken")?;
    let header = header
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("IncompleteSignature")?;
    let part = |name: &str| {
        let mut parts = header.split(',').map(str::trim);
        parts
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            .ok_or("IncompleteSignature")
    };
    let (credential, names, signature) = (
        part("Credential")?,
        part("SignedHeaders")?,
        part("Signature")?,
    );
    let time = call.header("x-amz-date").ok_or("IncompleteSignature")?;
    let signed_at =
        NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").map_err(|_| "IncompleteSignature")?;
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|_| "RequestExpired")?;
    if now
        .as_secs()
        .abs_diff(signed_at.and_utc().timestamp().unsigned_abs())
        > 300
    {
        return Err("RequestExpired");
    }
    let scope = format!("{}/{region}/{service}/aws4_request", &time[..8]);
    let (id, given) = credential.split_once('/').ok_or("IncompleteSignature")?;
    if id != signer.id {
        return Err("InvalidClientTokenId");
    }
    if call.header("x-amz-security-token").unwrap_or_default() != signer.session {
        return Err("InvalidClientTokenId");
    }
    let names: Vec<_> = names.split(';').collect();
    let must_be_signed =
        |name: &str| name == "host" || name == "content-type" || name.starts_with("x-amz-");
    let mut came = call
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase());
    if given != scope || came.any(|name| must_be_signed(&name) && !names.contains(&&*name)) {
        return Err("SignatureDoesNotMatch");
    }
    let mut headers = String::new();
    for name in &names {
        let value = call.header(name).ok_or("SignatureDoesNotMatch")?;
        headers.push_str(&format!("{name}:{value}\n"));
    }
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    let canonical = format!(
        "{}\n{path}\n{query}\n{headers}\n{}\n{}",
        call.method,
        names.join(";"),
        hex(&Sha256::digest(call.body.as_bytes()))
    );
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let first = format!("AWS4{}", signer.key).into_bytes();
    let steps = [&time[..8], region, service, "aws4_request"];
    let key = steps
        .iter()
        .fold(first, |key, step| hmac(&key, step.as_bytes()));
    if hex(&hmac(&key, to_sign.as_bytes())) == signature {
        Ok(())
    } else {
        Err("SignatureDoesNotMatch")
    }
}

/// RFC 2104.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut block = if key.len() > BLOCK {
        Sha256::digest(key).to_vec()
    } else {
        key.to_vec()
    };
    block.resize(BLOCK, 0);
    let padded = |pad: u8| block.iter().map(|byte| byte ^ pad).collect::<Vec<_>>();
    let inner = Sha256::digest([padded(0x36), message.to_vec()].concat());
    Sha256::digest([padded(0x5c), inner.to_vec()].concat()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
