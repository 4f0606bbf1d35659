//! What `roan::rules()` returns for each rule.

use roan::{Rule, RuleTarget, purge_on};

const FIRST_LINE: u32 = line!() + 2;

#[purge_on(save, delete, url = "/registry/{id}", site = "www")]
#[derive(Debug)]
#[roan::purge_on(
    delete,
    tag = "registry-{id}",
    urls = Registered::pages,
    when = self.id>1 && [1, 2].contains( &self.id )
)]
#[cfg_attr(test, purge_on(create, url = "/registry/created"))]
struct Registered {
    id: u32,
}

impl Registered {
    fn pages(&self) -> Option<&'static str> {
        (self.id > 2).then_some("/x")
    }
}

fn rules_of(model: &str) -> Vec<&'static Rule> {
    let rules = roan::rules().into_iter();
    rules
        .filter(|rule| rule.model() == model && rule.module() == module_path!())
        .collect()
}

#[test]
fn every_rule_is_listed_with_its_own_line() {
    let rules = rules_of("Registered");
    let lines: Vec<_> = rules.iter().map(|rule| rule.line() - FIRST_LINE).collect();
    assert_eq!(lines, [0, 2, 2, 8]);
    for rule in &rules {
        assert_eq!(rule.file(), file!());
        assert_eq!(rule.module(), module_path!());
    }
    assert_eq!(rules[0].site(), Some("www"));
    assert_eq!(rules[0].events().to_string(), "save, delete");
    assert_eq!(rules[1].target(), RuleTarget::Tag("registry-{id}"));
    assert_eq!(rules[2].target(), RuleTarget::Urls("Registered::pages"));
    assert_eq!(
        rules[2].condition(),
        Some("self.id>1 && [1, 2].contains( &self.id )")
    );
    assert_eq!(
        format!("{:?}", Registered { id: 1 }),
        "Registered { id: 1 }"
    );
}

#[purge_on(save, url = "/generic")]
struct Generic<T>(T);

#[test]
fn rules_of_generic_types_are_listed_once() {
    assert_eq!(rules_of("Generic").len(), 1);
    assert_eq!(crate::support::all(&Generic(1)), ["/generic"]);
    assert_eq!(Generic("a").0, "a");
}

#[test]
fn rules_of_a_library_that_is_only_named_are_listed() {
    // Nothing of it is used in this program.
    use roan_tests as _;
    let rules = roan::rules();
    let of_library = rules.iter().filter(|rule| rule.model() == "FromALibrary");
    assert_eq!(of_library.count(), 1);
}
