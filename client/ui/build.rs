//! Compiles the `.slint` files with their translations inside.

fn main() -> Result<(), slint_build::CompileError> {
    slint_build::compile("ui/app.slint")
}
