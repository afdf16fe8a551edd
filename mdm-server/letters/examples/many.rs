//! How long letters for many people take and how much memory: `cargo xtask bench letters [PEOPLE]`. Judges nothing. Each layout
//! is printed by a process of its own, whose peak is the kernel's word (`VmHWM`).

use std::error::Error;
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use mdm_letters::{
    CoverWords, Fonts, Group, Layout, Letter, LossWords, SubstituteWords, TypeCase, Words, print,
};
use zeroize::Zeroizing;

const PEOPLE: usize = 2_000;
/// People of a department.
const DEPARTMENT: usize = 25;
/// Of Debian's `fonts-noto-cjk`.
const FONT: &str = "/usr/share/fonts/opentype/noto/NotoSansCJK-";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let people = arguments.first().map_or(Ok(PEOPLE), |people| people.parse())?;
    match arguments.get(1).map(String::as_str) {
        Some("one") => measure("one a page", Layout::One, people),
        Some(_) => measure("ten a page", Layout::Ten, people),
        None => {
            println!("{people} letters, {DEPARTMENT} a department");
            for layout in ["one", "ten"] {
                let status =
                    Command::new(env::current_exe()?).args([&people.to_string(), layout]).status()?;
                if !status.success() {
                    return Err(format!("{layout}: {status}").into());
                }
            }
            Ok(())
        }
    }
}

fn measure(name: &str, layout: Layout, people: usize) -> Result<(), Box<dyn Error>> {
    let (groups, words) = (groups(people), words());
    let begun = Instant::now();
    let fonts = Fonts { regular: font("Regular")?, bold: font("Bold")? };
    let loaded = begun.elapsed();
    let pdf = print(&groups, layout, &words, &fonts)?;
    let (all, megabytes) = (begun.elapsed(), pdf.len() / 1_000_000);
    println!("{name}: {all:.2?} (fonts {loaded:.2?}), {megabytes} MB of PDF, peak memory {}", peak()?);
    Ok(())
}

fn font(weight: &str) -> Result<TypeCase, Box<dyn Error>> {
    let path = format!("{FONT}{weight}.ttc");
    let bytes =
        fs::read(&path).map_err(|cause| format!("{path}: {cause}; apt-get install fonts-noto-cjk"))?;
    Ok(TypeCase::new(bytes, 0)?)
}

fn peak() -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.ok_or("no VmHWM")?.trim().to_owned())
}

fn groups(people: usize) -> Vec<Group> {
    let numbers: Vec<usize> = (1..=people).collect();
    let group = |numbers: &[usize]| Group {
        department: format!("農林水産部 畜産課 {}", numbers.first().copied().unwrap_or_default()),
        letters: numbers.iter().map(|number| letter(*number)).collect(),
        count: format!("{}人", numbers.len()),
    };
    numbers.chunks(DEPARTMENT).map(group).collect()
}

/// Names differ as names do: most of a print's characters stand in few of them.
fn letter(number: usize) -> Letter {
    let character =
        |at: usize| u32::try_from(at % 3_000).ok().and_then(|at| char::from_u32(0x4E00 + at)).unwrap_or('名');
    let name: String = [number, number * 7, number * 13, number * 29].map(character).into_iter().collect();
    let code = format!("{number:05}-ABCDE-FGHJK-MNPQR-{}", number % 10);
    Letter {
        staff_number: format!("{number:06}"),
        addressee: format!("{name} 様"),
        name,
        payload: Zeroizing::new(format!(
            "tamatebako:enrol?v=1&c={code}&s=mdm.tamate.example:4433&p={0}&p={0}",
            "A".repeat(43)
        )),
        code: Zeroizing::new(code),
        loss: Some(Zeroizing::new("0000-ABCD-EFGH-JKMN-P".to_owned())),
        valid_until: "2027年4月15日(令和9年)木曜日 0:00まで使えます".to_owned(),
    }
}

fn words() -> Words {
    let line = || {
        "お使いの端末に業務アプリ「玉手箱」を登録するための通知書です。次の手順で登録してください。"
            .to_owned()
    };
    let word = || "職員番号".to_owned();
    let lines = || [line(), line(), line()];
    Words {
        language: "ja",
        organisation: "玉手県".to_owned(),
        title: line(),
        lead: line(),
        staff_number: word(),
        code: word(),
        scan: word(),
        server: word(),
        address: "mdm.tamate.example:4433".to_owned(),
        steps_title: word(),
        steps: lines(),
        short_steps: lines(),
        promise_title: word(),
        promise: lines().into(),
        short_promise: line(),
        secret: line(),
        helpdesk: Some(line()),
        loss: LossWords { title: word(), about: line(), address: word() },
        cover: CoverWords {
            title: word(),
            about: line(),
            columns: [word(), word(), word(), word(), word()],
            printed: word(),
            handed_by: word(),
        },
        substitutes: SubstituteWords { title: word(), about: line(), columns: [word(), word(), word()] },
    }
}
