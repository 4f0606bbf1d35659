use roan::purge_on;

#[purge_on(save, urls = Self::no_row)]
#[purge_on(save, urls = Self::two_arguments)]
#[purge_on(save, urls = Self::not_an_iterator)]
#[purge_on(save, urls = Self::not_urls)]
#[purge_on(save, urls = Self::by_value)]
#[purge_on(save, urls = Self::nothing)]
struct Post {
    id: u32,
}

impl Post {
    fn no_row() -> Vec<String> {
        Vec::new()
    }

    fn two_arguments(&self, _page: u32) -> Vec<String> {
        Vec::new()
    }

    fn not_an_iterator(&self) -> String {
        String::new()
    }

    fn not_urls(&self) -> Vec<u32> {
        vec![self.id]
    }

    fn by_value(self) -> Vec<String> {
        Vec::new()
    }

    fn nothing(&self) {}
}

fn main() {}
