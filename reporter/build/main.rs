//! Puts the modules of the page together into the one script that the page carries.

mod page_script;

use std::fs;
use std::path::Path;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates/page");
    println!("cargo::rerun-if-changed={}", root.display());
    let script = page_script::assemble("main.js", |path| fs::read_to_string(root.join(path)));
    match script {
        Ok(script) => {
            let out = std::env::var_os("OUT_DIR").expect("cargo names a folder for the output");
            fs::write(Path::new(&out).join("page.js"), script).expect("the script can be written");
        }
        Err(fault) => println!("cargo::error=templates/page/{fault}"),
    }
}
