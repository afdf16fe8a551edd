//! Compiles the `.slint` files with their translations inside.

use slint_build::{CompilerConfiguration, DefaultTranslationContext};

fn main() -> Result<(), slint_build::CompileError> {
    // Tests find the elements by what a person calls them; a release does not carry the names.
    let named_elements = std::env::var("PROFILE").is_ok_and(|profile| profile == "debug");
    let configuration = CompilerConfiguration::new()
        .with_style("fluent".into())
        .with_bundled_translations("lang")
        .with_default_translation_context(DefaultTranslationContext::None)
        .with_debug_info(named_elements);
    slint_build::compile_with_config("ui/app.slint", configuration)
}
