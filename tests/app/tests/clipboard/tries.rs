//! Every way that a person, or a thief at the desk, would try to get text out of a field, or into it.

use x11rb::protocol::xproto::Window;

use super::display::{Display, Watcher};
use super::window::{Field, Guard, SIZE, Surface, WindowProcess};

/// Keys by their keysyms (X11/keysymdef.h).
pub(super) mod key {
    pub(crate) const CONTROL: u32 = 0xffe3;
    pub(crate) const SHIFT: u32 = 0xffe1;
    pub(crate) const INSERT: u32 = 0xff63;
    pub(crate) const DELETE: u32 = 0xffff;
    pub(crate) const DOWN: u32 = 0xff54;
    pub(crate) const RETURN: u32 = 0xff0d;
    pub(crate) const MENU: u32 = 0xff67;
    pub(crate) const END: u32 = 0xff57;
    pub(crate) const A: u32 = 0x61;
    pub(crate) const C: u32 = 0x63;
    pub(crate) const V: u32 = 0x76;
    pub(crate) const X: u32 = 0x78;
}

const LEFT: u8 = 1;
const MIDDLE: u8 = 2;
const RIGHT: u8 = 3;

/// A way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WayOut {
    SelectAllAndCopy,
    SelectAllAndCut,
    SelectAllAndControlInsert,
    SelectAllAndShiftDelete,
    SelectAllAndCopyByTheMenu,
    /// It cuts, where the text can be edited.
    SelectAllAndFirstOfTheMenu,
    SelectAllAndCopyByTheRightButton,
    DoubleClick,
    TripleClick,
    ShiftClick,
    Drag,
    /// What is selected is dragged out of the window.
    DragOut,
}

impl WayOut {
    pub(super) const ALL: [Self; 12] = [
        Self::SelectAllAndCopy,
        Self::SelectAllAndCut,
        Self::SelectAllAndControlInsert,
        Self::SelectAllAndShiftDelete,
        Self::SelectAllAndCopyByTheMenu,
        Self::SelectAllAndFirstOfTheMenu,
        Self::SelectAllAndCopyByTheRightButton,
        Self::DoubleClick,
        Self::TripleClick,
        Self::ShiftClick,
        Self::Drag,
        Self::DragOut,
    ];
}

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WayIn {
    Paste,
    ShiftInsert,
    PasteByTheMenu,
    MiddleClick,
}

impl WayIn {
    pub(super) const ALL: [Self; 4] =
        [Self::Paste, Self::ShiftInsert, Self::PasteByTheMenu, Self::MiddleClick];
}

/// A window on a watched display.
pub(super) struct Desk {
    pub(super) watcher: Watcher,
    process: WindowProcess,
    window: Window,
    // Last: the display ends after those who use it.
    _display: Display,
}

impl Desk {
    /// Opens a window.
    pub(super) fn open(guard: Guard) -> Self {
        let display = Display::start();
        let watcher = Watcher::start(&display);
        let process = WindowProcess::open(&display, guard);
        let (window, size) = watcher.find_window();
        assert_eq!(size, SIZE);
        Self { watcher, process, window, _display: display }
    }

    /// Shows a surface afresh with its text, the cursor in it.
    fn begin(&mut self, surface: Surface) -> Field {
        self.process.show(surface);
        // Layout is known once the window has drawn it.
        self.watcher.settle(self.window);
        let mut field = self.process.read(surface);
        if surface != Surface::Pin {
            self.click(LEFT, at(&field, 200.0), 1);
        }
        if matches!(surface, Surface::Pin | Surface::Code) {
            // Typed: the screen fills it from nowhere else.
            surface.text().chars().for_each(|key| self.watcher.press(&[u32::from(key)]));
        }
        self.watcher.settle(self.window);
        field.value = self.process.read(surface).value;
        field
    }

    fn click(&self, button: u8, place: (f32, f32), times: usize) {
        self.watcher.point(self.window, place);
        for _ in 0..times {
            self.watcher.button_down(button);
            self.watcher.button_up(button);
        }
    }

    /// The menu of the field is opened by its key; `down` entries lie above the one that is chosen.
    fn choose(&self, down: usize) {
        self.watcher.press(&[key::MENU]);
        self.choose_in_menu(down);
    }

    fn choose_in_menu(&self, down: usize) {
        self.watcher.settle(self.window);
        (0..=down).for_each(|_| self.watcher.press(&[key::DOWN]));
        self.watcher.press(&[key::RETURN]);
    }

    /// Tries to get the surface's text out. When this returns, the window has dealt with it.
    pub(super) fn try_out(&mut self, surface: Surface, way: WayOut) {
        let field = self.begin(surface);
        assert!(!field.value.is_empty(), "{surface:?} has something to be taken");
        let select_all = || self.watcher.press(&[key::CONTROL, key::A]);
        match way {
            WayOut::SelectAllAndCopy => {
                select_all();
                self.watcher.press(&[key::CONTROL, key::C]);
            }
            WayOut::SelectAllAndCut => {
                select_all();
                self.watcher.press(&[key::CONTROL, key::X]);
            }
            WayOut::SelectAllAndControlInsert => {
                select_all();
                self.watcher.press(&[key::CONTROL, key::INSERT]);
            }
            WayOut::SelectAllAndShiftDelete => {
                select_all();
                self.watcher.press(&[key::SHIFT, key::DELETE]);
            }
            WayOut::SelectAllAndCopyByTheMenu => {
                select_all();
                self.choose(above_copy(surface));
            }
            WayOut::SelectAllAndFirstOfTheMenu => {
                select_all();
                self.choose(0);
            }
            WayOut::SelectAllAndCopyByTheRightButton => {
                select_all();
                self.click(RIGHT, at(&field, 100.0), 1);
                self.choose_in_menu(above_copy(surface));
            }
            WayOut::DoubleClick => self.click(LEFT, at(&field, 80.0), 2),
            WayOut::TripleClick => self.click(LEFT, at(&field, 80.0), 3),
            WayOut::ShiftClick => {
                self.click(LEFT, at(&field, 60.0), 1);
                self.watcher.settle(self.window);
                self.watcher.key_down(key::SHIFT);
                self.click(LEFT, at(&field, 180.0), 1);
                self.watcher.key_up(key::SHIFT);
            }
            WayOut::Drag => self.drag([60.0, 70.0, 100.0, 140.0, 180.0].map(|right| at(&field, right))),
            WayOut::DragOut => {
                self.drag([60.0, 70.0, 100.0, 140.0, 180.0].map(|right| at(&field, right)));
                self.drag([90.0, 300.0, 600.0, 800.0, 900.0].map(|right| at(&field, right)));
            }
        }
        self.watcher.settle(self.window);
    }

    /// Holds the left button from the first of these places to the last.
    fn drag(&self, places: [(f32, f32); 5]) {
        self.watcher.point(self.window, places[0]);
        self.watcher.button_down(LEFT);
        for place in &places[1..] {
            self.watcher.point(self.window, *place);
            self.watcher.settle(self.window);
        }
        self.watcher.button_up(LEFT);
    }

    /// Tries to get what other apps offer into the surface, and gives what is in it afterwards.
    pub(super) fn try_in(&mut self, surface: Surface, way: WayIn) -> String {
        let field = self.begin(surface);
        match way {
            WayIn::Paste => self.watcher.press(&[key::CONTROL, key::V]),
            WayIn::ShiftInsert => self.watcher.press(&[key::SHIFT, key::INSERT]),
            // Cut, copy, paste.
            WayIn::PasteByTheMenu => self.choose(2),
            WayIn::MiddleClick => self.click(MIDDLE, at(&field, 120.0), 1),
        }
        self.watcher.settle(self.window);
        self.process.read(surface).value
    }

    /// Copies one surface's text and pastes it at the end of the same field; gives what is in it afterwards.
    pub(super) fn copy_and_paste_inside(&mut self, surface: Surface) -> String {
        self.begin(surface);
        for keys in [&[key::CONTROL, key::A], &[key::CONTROL, key::C]] {
            self.watcher.press(keys);
        }
        self.watcher.press(&[key::END]);
        self.watcher.press(&[key::CONTROL, key::V]);
        self.watcher.settle(self.window);
        self.process.read(surface).value
    }
}

/// Cut, where the text can be edited, stands before copy.
fn above_copy(surface: Surface) -> usize {
    usize::from(surface != Surface::Document)
}

/// A place on the first line of a field, so far from its left side.
fn at(field: &Field, right: f32) -> (f32, f32) {
    (field.x + right, field.y + (field.height / 2.0).min(24.0))
}
