//! The program as it is unpacked, started on displays that nobody else uses, until its window is there and drawn on: seen from the
//! display's side, since a program can say much of itself.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// How long a window may take to come, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// An empty screen has one colour, a window of ours the many of smooth letters.
const COLOURS: usize = 16;

/// A program that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is waited for.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// On an X server of its own.
pub(super) fn under_x11(program: &Path, work: &Path) -> Result<()> {
    let folder = fresh(&work.join("x11"))?;
    let mut server = Command::new("Xvfb");
    server.args(["-displayfd", "1", "-screen", "0", "800x1000x24", "-nolisten", "tcp", "-fbdir"]);
    let server = server.arg(&folder).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Running(server.spawn().context("cannot start Xvfb")?);
    let mut number = String::new();
    BufReader::new(server.0.stdout.take().context("Xvfb's output")?).read_line(&mut number)?;
    let display = format!(":{}", number.trim());
    let screen = folder.join("Xvfb_screen0");
    ensure!(colours(&screen)? < COLOURS, "the empty screen is not empty");

    let mut app = start(program, &folder, |app| app.env("DISPLAY", &display).env_remove("WAYLAND_DISPLAY"))?;
    until("a window under X11", &mut app, || {
        let tree = said(Command::new("xwininfo").args(["-display", &display, "-root", "-tree"]))?;
        // By its class, by which a desktop finds the icon, too.
        let window = tree.lines().find(|line| line.contains("\"tamatebako\")"));
        let Some(id) = window.and_then(|line| line.split_whitespace().next()) else { return Ok(None) };
        let state = said(Command::new("xwininfo").args(["-display", &display, "-id", id]))?;
        let drawn = state.contains("Map State: IsViewable") && colours(&screen)? >= COLOURS;
        Ok(drawn.then(|| window.unwrap_or_default().trim().to_owned()))
    })
}

/// On a Wayland compositor of its own, which has no X server behind it.
pub(super) fn under_wayland(program: &Path, work: &Path) -> Result<()> {
    let folder = fresh(&work.join("wayland"))?;
    let in_folder = |command: &mut Command| {
        command.env("XDG_RUNTIME_DIR", &folder).env("WAYLAND_DISPLAY", "tamatebako").env_remove("DISPLAY");
    };
    let mut server = Command::new("weston");
    in_folder(&mut server);
    // Its own clients, a panel and a keyboard, look for a display where it says.
    server.env_remove("WAYLAND_DISPLAY");
    server.args(["--backend=headless-backend.so", "--socket=tamatebako", "--debug", "--no-config"]);
    let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut server = Running(server.context("cannot start weston")?);
    until("a Wayland compositor", &mut server, || {
        Ok(folder.join("tamatebako").exists().then(|| "weston, headless".to_owned()))
    })?;

    let mut app = start(program, &folder, |app| {
        in_folder(app);
        app
    })?;
    let process = format!("PID {},", app.0.id());
    until("a window under Wayland", &mut app, || {
        let mut ask = Command::new("weston-debug");
        in_folder(&mut ask);
        let scene = said(ask.arg("scene-graph"))?;
        Ok(view(&scene, &process).map(str::to_owned))
    })
}

/// The line of the compositor's scene about a window of this process.
fn view<'a>(scene: &'a str, process: &str) -> Option<&'a str> {
    let mut views = scene.lines().map(str::trim).filter(|line| line.starts_with("View "));
    views.find(|line| line.contains("role xdg_toplevel,") && line.contains(process))
}

/// In a home of its own, in Japanese, and with nothing of the caller's that would lead it elsewhere.
fn start(
    program: &Path,
    folder: &Path,
    display: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<Running> {
    let log = fs::File::create(folder.join("log"))?;
    let mut command = Command::new(program);
    command.env("HOME", folder).env("LANG", "ja_JP.UTF-8").env_remove("XAUTHORITY");
    command.env_remove("TAMATEBAKO_HOME").env_remove("XDG_DATA_HOME").env_remove("TAMATEBAKO_CONFINEMENT");
    let command = display(&mut command).stdout(Stdio::null()).stderr(log);
    Ok(Running(command.spawn().with_context(|| program.display().to_string())?))
}

fn fresh(folder: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    // A compositor's folder belongs to one person alone.
    fs::DirBuilder::new().mode(0o700).create(folder).with_context(|| folder.display().to_string())?;
    Ok(folder.to_path_buf())
}

fn until(what: &str, program: &mut Running, mut seen: impl FnMut() -> Result<Option<String>>) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = program.0.try_wait()? {
            bail!("{what}: the program ended: {status}");
        }
        if let Some(sight) = seen()? {
            println!("{what}: {sight}");
            return Ok(());
        }
        thread::sleep(Duration::from_millis(200));
    }
    bail!("{what}: not within {} seconds; what the program said is in target/deb", PATIENCE.as_secs())
}

fn said(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How many colours are on the screen, whose file is an X window dump: two of its first words say where the pixels begin.
fn colours(screen: &Path) -> Result<usize> {
    let dump = fs::read(screen).with_context(|| screen.display().to_string())?;
    let word = |number: usize| {
        let bytes = dump.get(number * 4..number * 4 + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| u32::from_be_bytes(bytes) as usize).context("the screen's file is cut off")
    };
    let (header, palette) = (word(0)?, word(19)?);
    let pixels = dump.get(header + palette * 12..).context("the screen's file is cut off")?;
    Ok(pixels.chunks_exact(4).collect::<HashSet<_>>().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_found_by_its_process_and_its_role() {
        let panel = "\tView 0 (role (null), PID 59, surface ID 15, panel for output headless, 0x561b):";
        let other = "\tView 0 (role xdg_toplevel, PID 5, surface ID 3, top-level window 'T' of t, 0x561c):";
        let ours = "\tView 0 (role xdg_toplevel, PID 59, surface ID 3, top-level window 'T' of t, 0x561c):";
        assert_eq!(view(&format!("{panel}\n{other}\n"), "PID 59,"), None);
        assert_eq!(view(&format!("{panel}\n{ours}\n"), "PID 59,"), Some(ours.trim()));
    }
}
