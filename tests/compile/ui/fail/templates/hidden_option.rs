use roan::purge_on;

type Maybe = Option<String>;

#[purge_on(save, url = "/{subtitle}")]
#[purge_on(save, url = "/{title()}")]
struct Post {
    subtitle: Maybe,
}

impl Post {
    fn title(&self) -> Option<&str> {
        self.subtitle.as_deref()
    }
}

fn main() {}
