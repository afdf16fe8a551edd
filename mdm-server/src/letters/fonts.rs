//! The fonts that letters are printed with: those of the configuration, or the first pair of a Debian package that is here.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use mdm_letters::{FontError, Fonts, TypeCase};

use crate::config::Letters;

/// Most bytes of a font that are read: the largest collection of Noto has 20 MB.
const MAX_FONT: u64 = 64 * 1024 * 1024;

/// Where fonts lie, for reading and for headings, the fonts with most characters first. In a collection the Japanese one is the first.
const KNOWN: [[&str; 2]; 2] = [
    [
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    ],
    [
        "/usr/share/fonts/truetype/bizud-gothic/BIZUDPGothic-Regular.ttf",
        "/usr/share/fonts/truetype/bizud-gothic/BIZUDPGothic-Bold.ttf",
    ],
];

/// Why letters cannot be printed on this machine.
#[derive(Debug, thiserror::Error)]
pub enum FontProblem {
    /// None of the places where fonts are looked for has one.
    #[error(
        "no Japanese font was found on the server: install one (on Debian: apt-get install fonts-noto-cjk) or name one by \
         `font` in the section [letters] of the configuration"
    )]
    None,
    /// The file cannot be read.
    #[error("the font {path} cannot be read: {cause}; look at the section [letters] of the configuration")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file is no font for letters.
    #[error("the font {path} cannot be used: {cause}; look at the section [letters] of the configuration")]
    Unfit {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: FontError,
    },
}

/// Reads the fonts.
pub(crate) fn load(config: &Letters) -> Result<Fonts, FontProblem> {
    let [regular, bold] = match &config.font {
        Some(font) => [font.clone(), config.bold_font.as_ref().unwrap_or(font).clone()],
        None => found(&KNOWN)?,
    };
    Ok(Fonts { regular: read(&regular, config.font_index)?, bold: read(&bold, config.font_index)? })
}

fn found(known: &[[&str; 2]]) -> Result<[PathBuf; 2], FontProblem> {
    let here = known.iter().find(|pair| pair.iter().all(|path| Path::new(path).is_file()));
    here.map(|pair| pair.map(PathBuf::from)).ok_or(FontProblem::None)
}

fn read(path: &Path, index: u32) -> Result<TypeCase, FontProblem> {
    let failed = |cause| FontProblem::Read { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let read = file.take(MAX_FONT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_FONT) {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    TypeCase::new(bytes, index).map_err(|cause| FontProblem::Unfit { path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_font_is_told_which_package_to_install() {
        let problem = found(&[["/nowhere/regular.ttc", "/nowhere/bold.ttc"]]).expect_err("nothing is there");
        assert!(problem.to_string().contains("apt-get install fonts-noto-cjk"), "{problem}");
    }

    #[test]
    fn a_font_that_is_none_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"no font").unwrap();
        let config = Letters { font: Some(file.path().to_owned()), ..Letters::default() };
        let problem = load(&config).err().expect("no font").to_string();
        assert!(problem.contains(&*file.path().to_string_lossy()), "{problem}");
        let config = Letters { font: Some("/nowhere".into()), ..Letters::default() };
        assert!(matches!(load(&config), Err(FontProblem::Read { .. })));
    }
}
