//! What templates accept, and that no value leaves its place.

use proptest::prelude::*;

use super::*;

fn site() -> Site {
    "https://www.example.org".parse().unwrap()
}

fn rendered(text: &str, place: Place, targets: &[Target]) -> String {
    let template = Template::parse(text, place).unwrap();
    template.render(targets, &site()).unwrap()
}

#[test]
fn each_place_has_its_own_encoding() {
    let url =
        [Target::url("/a%2Fb?x=1&y=\"").unwrap_or_else(|_| Target::url("/a%2Fb?x=1&y").unwrap())];
    assert_eq!(
        rendered("/purge{path}", Place::Path, &url),
        "/purge/a%2Fb?x=1&y"
    );
    assert_eq!(
        rendered("/purge?url={url}&x=1", Place::Path, &url),
        "/purge?url=https%3A%2F%2Fwww.example.org%2Fa%252Fb%3Fx%3D1%26y&x=1"
    );
    assert_eq!(
        rendered("/GET-{scheme}-{host}-{path}", Place::Path, &url),
        "/GET-https-www.example.org-/a%2Fb?x=1&y"
    );
    assert_eq!(
        rendered(r#"{"files": {urls}, "n": {}}"#, Place::Json, &url),
        r#"{"files": ["https://www.example.org/a%2Fb?x=1&y"], "n": {}}"#
    );
    let tags = ["a\"b", "c\\d"].map(Target::unchecked_tag);
    assert_eq!(rendered("{tags}", Place::Header, &tags), "a\"b c\\d");
    assert_eq!(rendered("{tags,}", Place::Header, &tags), "a\"b, c\\d");
    assert_eq!(
        rendered("/t?tags={tags,}", Place::Path, &tags),
        "/t?tags=a%22b,c%5Cd"
    );
    assert_eq!(
        rendered(r#"["{tags}", {tag}, "\"{tag}"]"#, Place::Json, &tags),
        r#"["a\"b c\\d", "a\"b", "\"a\"b"]"#
    );
    assert_eq!(
        rendered(
            r#"{"o": "{scheme}://{hostname}:{port}"}"#,
            Place::Json,
            &[Target::host()]
        ),
        r#"{"o": "https://www.example.org:443"}"#
    );
}

#[test]
fn a_mistake_is_named_with_what_to_write() {
    for (text, place, words) in [
        (
            "/purge?u={uri}",
            Place::Path,
            "`{uri}`, which is not a placeholder",
        ),
        ("/purge/{", Place::Path, "does not begin a placeholder"),
        ("purge", Place::Path, "must begin with `/`"),
        ("{url}", Place::Path, "must begin with `/`"),
        ("/purge{path}/x", Place::Path, "text after `{path}`"),
        ("/purge?u={urls}", Place::Path, "list of URLs"),
        ("/a b", Place::Path, "percent-encode it"),
        ("/é", Place::Path, "percent-encode it"),
        ("/../{tag}", Place::Path, "`..`"),
        ("{urls}", Place::Header, "list of URLs"),
        ("a\nb", Place::Header, "not valid in a header"),
        (r#"{"a": "{url}}"#, Place::Json, "string that is not closed"),
    ] {
        let problem = Template::parse(text, place).unwrap_err();
        assert!(problem.contains(words), "{text}: {problem}");
    }
    let template = Template::parse("/t/{tag}", Place::Path).unwrap();
    let problem = template.names(TargetKind::Url).unwrap_err();
    assert!(
        problem.contains("`{tag}`") && problem.contains("write `{path}`"),
        "{problem}"
    );
}

#[test]
fn a_site_without_a_scheme_is_named() {
    let template = Template::parse(r#"{"f": {urls}}"#, Place::Json).unwrap();
    let site = "www.example.org".parse().unwrap();
    let problem = template
        .render(&[Target::url("/a").unwrap()], &site)
        .unwrap_err();
    assert!(
        problem.contains("write `https://www.example.org`"),
        "{problem}"
    );
}

/// What has a meaning somewhere. `Target::tag` accepts little of it: the templates do not rely on that.
fn tag() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(vec![
        "\"", "\\", "'", "{", "}", "{tag}", "[", "]", ";", ":", "/", "..", "?", "&", "=", "#", "%",
        "%2F", "*", "a", "\\u0022",
    ]);
    prop::collection::vec(hostile, 1..8).prop_map(|parts| parts.concat())
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .unwrap()
        .into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_tag_leaves_its_place(texts in prop::collection::vec(tag(), 1..5)) {
        let tags: Vec<_> = texts.iter().map(Target::unchecked_tag).collect();
        // A path: one segment, and one value of the query.
        let url = rendered("/p/{tag}/x?t={tag}&l={tags,}&e=1", Place::Path, &tags);
        let (path, query) = url.split_once('?').unwrap();
        let segments: Vec<_> = path.split('/').collect();
        prop_assert_eq!(segments.len(), 4);
        prop_assert_eq!(decoded(segments[2]), &*texts[0]);
        let pairs: Vec<_> = query.split('&').collect();
        prop_assert_eq!(pairs.len(), 3);
        prop_assert_eq!(decoded(pairs[0].strip_prefix("t=").unwrap()), &*texts[0]);
        let list: Vec<_> = pairs[1].strip_prefix("l=").unwrap().split(',').map(decoded).collect();
        prop_assert_eq!(&list, &texts);
        let has_unsafe = url.contains(['#', '"', '\\', '{', ' ']);
        prop_assert!(!has_unsafe);
        // A header: one line, and a list of these tags and no others.
        for (template, separator) in [("{tags}", " "), ("{tags,}", ", ")] {
            let value = rendered(template, Place::Header, &tags);
            prop_assert!(http::HeaderValue::from_str(&value).is_ok());
            prop_assert_eq!(&value.split(separator).collect::<Vec<_>>(), &texts);
        }
        // A JSON body: these members and no others.
        #[cfg(feature = "_sql")]
        {
            let body = rendered(r#"{"one": {tag}, "all": {tags}, "text": "<{tags}>"}"#, Place::Json, &tags);
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            let expected = serde_json::json!({ "one": texts[0], "all": texts, "text": format!("<{}>", texts.join(" ")) });
            prop_assert_eq!(body, expected);
        }
    }

    #[test]
    fn no_url_leaves_its_place(path in "(/[-a-z0-9%2F.~!$&()*+,;=:@]{0,9}){1,3}([?][-a-z0-9/?&=,;]{0,9})?") {
        let Ok(target) = Target::url(&path) else { return Ok(()) };
        let targets = [target];
        prop_assert_eq!(rendered("/purge{path}", Place::Path, &targets), format!("/purge{path}"));
        let url = rendered("/purge?url={url}&exact=true", Place::Path, &targets);
        let (start, query) = url.split_once('?').unwrap();
        prop_assert_eq!(start, "/purge");
        let pairs: Vec<_> = query.split('&').collect();
        prop_assert_eq!(pairs.len(), 2);
        let whole = format!("https://www.example.org{path}");
        prop_assert_eq!(decoded(pairs[0].strip_prefix("url=").unwrap()), &*whole);
        prop_assert_eq!(rendered(r#"{"files":{urls}}"#, Place::Json, &targets), format!(r#"{{"files":["{whole}"]}}"#));
        prop_assert_eq!(rendered("{url}", Place::Header, &targets), whole);
    }

    #[test]
    fn any_text_is_one_json_string(text in any::<String>()) {
        let mut escaped = String::new();
        push_escaped(&mut escaped, &text);
        prop_assert!(!escaped.contains(|found: char| found.is_ascii_control()));
        #[cfg(feature = "_sql")]
        prop_assert_eq!(serde_json::from_str::<String>(&format!("\"{escaped}\"")).unwrap(), text);
    }
}
