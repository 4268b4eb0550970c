//! Keys from the AWS shared credentials file, as `aws configure` writes it.
//!
//! `object_store` does not read it; without it, a developer's machine would ask
//! for an instance role that is not there.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

use std::fs;
use std::io::ErrorKind::NotFound;
use std::path::PathBuf;

use crate::store::options::{OpenError, Options};

/// Keys of one profile. Secrets: no `Debug`.
pub(super) struct Keys {
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) session_token: Option<String>,
}

/// The keys of the profile asked for (else `default`); none where there is no such
/// file or no such profile and none was asked for.
pub(super) fn read(options: &Options) -> Result<Option<Keys>, OpenError> {
    let asked_for = options.get("s3_profile");
    let own_file = || Some(PathBuf::from(options.variable("HOME")?).join(".aws/credentials"));
    let given = options.get("s3_credentials_file").map(PathBuf::from);
    let Some(path) = given.or_else(own_file) else {
        return Ok(None);
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == NotFound && asked_for.is_none() => return Ok(None),
        Err(e) => {
            return Err(OpenError(format!("{} cannot be read: {e}", path.display())));
        }
    };
    let name = asked_for.as_deref().unwrap_or("default");
    match (find(&text, name), asked_for.is_some()) {
        (None, true) => {
            let path = path.display();
            Err(OpenError(format!(
                "{path} has no keys for the profile '{name}'"
            )))
        }
        (keys, _) => Ok(keys),
    }
}

fn find(text: &str, profile: &str) -> Option<Keys> {
    let header = format!("[{profile}]");
    let lines = text.lines().map(str::trim);
    let section = lines.skip_while(|line| *line != header).skip(1);
    let (mut access, mut secret, mut token) = (None, None, None);
    for line in section.take_while(|line| !line.starts_with('[')) {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let value = Some(value.trim().to_owned()).filter(|v| !v.is_empty());
        match name.trim() {
            "aws_access_key_id" => access = value,
            "aws_secret_access_key" => secret = value,
            "aws_session_token" => token = value,
            _ => {}
        }
    }
    Some(Keys {
        access_key: access?,
        secret_key: secret?,
        session_token: token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
[default]
aws_access_key_id = AK
aws_secret_access_key=SK=with=signs
region = eu-west-1

# a comment
[work]
aws_access_key_id = AK2
aws_secret_access_key = SK2
aws_session_token = T
[broken]
aws_access_key_id =
";

    fn triple(profile: &str) -> Option<(String, String, Option<String>)> {
        find(FILE, profile).map(|k| (k.access_key, k.secret_key, k.session_token))
    }

    #[test]
    fn profiles_are_found() {
        assert_eq!(
            triple("default"),
            Some(("AK".into(), "SK=with=signs".into(), None))
        );
        assert_eq!(
            triple("work"),
            Some(("AK2".into(), "SK2".into(), Some("T".into())))
        );
        assert_eq!(triple("broken"), None);
        assert_eq!(triple("absent"), None);
    }

    #[test]
    fn a_profile_that_was_asked_for_must_be_there() {
        let path = std::env::temp_dir().join(format!("sqlbridge-aws-{}", std::process::id()));
        fs::write(&path, FILE).unwrap();
        let file = path.to_str().unwrap().to_owned();
        let options = |profile: &'static str, file: String| {
            Options::new([("", ""); 0], move |name| match name {
                "AWS_PROFILE" => Some(profile.to_owned()),
                "AWS_SHARED_CREDENTIALS_FILE" => Some(file.clone()),
                _ => None,
            })
        };
        let found = read(&options("work", file.clone())).unwrap();
        assert_eq!(found.unwrap().access_key, "AK2");
        assert!(read(&options("", file.clone())).unwrap().is_some());
        let error = read(&options("absent", file)).err().unwrap();
        assert!(error.0.contains("the profile 'absent'"), "{error}");
        fs::remove_file(&path).unwrap();
        assert!(
            read(&options("", "/nowhere/x".to_owned()))
                .unwrap()
                .is_none()
        );
        assert!(read(&options("work", "/nowhere/x".to_owned())).is_err());
    }
}
