//! Believable content for every screen, in both languages.

use std::rc::Rc;

use client_ui::{
    App, Confinement, ConfinementGaps, DocumentRow, DocumentState, DocumentText, Documents, EraseStep,
    EraseStepKind, LostItem, LostKind, NoteNews, NoteRow, NoteState, NoteText, Notes, NoticeState, Problem,
    Repair, Repaired, SaveState, Screen, Section, Session,
};
use slint::{ComponentHandle, ModelRc, VecModel};

/// One picture of the gallery.
pub(crate) struct Scene {
    /// The file's name.
    pub(super) name: &'static str,
    /// Fills the globals and goes to the screen; the second argument is the language.
    pub(super) fill: fn(&App, &str),
    /// Pressed on the screen then: the button's name in Japanese and in English.
    pub(super) pressed: Option<(&'static str, &'static str)>,
    /// Typed into the screen then.
    pub(super) typed: &'static str,
}

/// Every screen, and what it looks like when something is wrong.
pub(crate) const SCENES: &[Scene] = &[
    scene("welcome", |app, _| go(app, Screen::Welcome)),
    scene("enrol", |app, _| {
        session(app).set_paste_allowed(true);
        go(app, Screen::Enrol);
    }),
    scene("enrol-problem", |app, _| {
        session(app).set_server("mdm.tamate.lg.jp:4433".into());
        session(app).set_problem(Problem::CodeExpired);
        go(app, Screen::Enrol);
    }),
    Scene { typed: "4071", ..scene("set-pin", |app, _| go(app, Screen::SetPin)) },
    Scene { typed: "407155\n407", ..scene("set-pin-again", |app, _| go(app, Screen::SetPin)) },
    Scene { typed: "407155\n407156\n", ..scene("set-pin-differ", |app, _| go(app, Screen::SetPin)) },
    scene("set-pin-busy", |app, _| {
        session(app).set_busy(true);
        go(app, Screen::SetPin);
    }),
    Scene { typed: "40715", ..scene("unlock", |app, _| go(app, Screen::Unlock)) },
    scene("unlock-wrong", |app, _| {
        session(app).set_problem(Problem::WrongPin);
        session(app).set_attempts_left(7);
        go(app, Screen::Unlock);
    }),
    Scene {
        typed: "40",
        ..scene("unlock-waits", |app, _| {
            session(app).set_pin_wait("15:30:20".into());
            session(app).set_attempts_left(7);
            session(app).set_problem(Problem::WrongPin);
            go(app, Screen::Unlock);
        })
    },
    scene("unlock-offline", |app, _| {
        session(app).set_online(false);
        session(app).set_lease_running(true);
        session(app).set_lease_ends("15:30".into());
        go(app, Screen::Unlock);
    }),
    scene("unlock-closed", |app, _| {
        session(app).set_online(false);
        session(app).set_problem(Problem::Offline);
        go(app, Screen::Unlock);
    }),
    scene("unlock-busy", |app, _| {
        session(app).set_busy(true);
        go(app, Screen::Unlock);
    }),
    Scene {
        pressed: Some(("文書", "Documents")),
        ..scene("home", |app, language| {
            fill_lists(app, language);
            go(app, Screen::Home);
        })
    },
    Scene {
        pressed: Some(("ノート", "Notes")),
        ..scene("home-notes", |app, language| {
            fill_lists(app, language);
            go(app, Screen::Home);
        })
    },
    Scene {
        pressed: Some(("ノート", "Notes")),
        ..scene("home-unsent", |app, language| {
            fill_lists(app, language);
            app.global::<Notes<'_>>().set_rows(model(unsent_rows(language)));
            app.global::<Notes<'_>>().set_unsent(5);
            app.global::<Notes<'_>>().set_stuck(2);
            app.global::<Notes<'_>>().set_news(NoteNews::Copied);
            go(app, Screen::Home);
        })
    },
    Scene {
        pressed: Some(("文書", "Documents")),
        ..scene("home-offline", |app, language| {
            fill_lists(app, language);
            session(app).set_online(false);
            session(app).set_lease_running(true);
            session(app).set_lease_ends("15:30".into());
            go(app, Screen::Home);
        })
    },
    Scene { pressed: Some(("文書", "Documents")), ..scene("home-empty", |app, _| go(app, Screen::Home)) },
    scene("home-not-found", |app, language| {
        app.global::<Notes<'_>>().set_search(pick(language, "防災訓練", "fire drill").into());
        go(app, Screen::Home);
    }),
    Scene {
        pressed: Some(("文書", "Documents")),
        ..scene("home-not-shown", |app, language| {
            fill_lists(app, language);
            session(app).set_problem(Problem::DocumentNotShown);
            go(app, Screen::Home);
        })
    },
    scene("document", |app, language| {
        let nothing = viewer::Text { body: String::new(), is_cut: false };
        client::viewer::fill(app, &viewer::Content::Text(nothing), 0);
        app.global::<Documents<'_>>().set_current(document(language));
        go(app, Screen::Document);
    }),
    scene("document-page", |app, language| {
        viewed(
            app,
            language,
            "玉手川流域 避難経路図",
            "Evacuation routes along the Tamate",
            PAGE,
            "application/pdf",
        );
    }),
    scene("document-blocks", |app, language| {
        viewed(app, language, "水害時の手順", "When the river rises", BLOCKS, "text/markdown");
    }),
    scene("document-table", |app, language| {
        viewed(app, language, "備蓄品一覧(令和8年11月)", "Stocks, November 2026", TABLE, "text/csv");
    }),
    scene("document-too-large", |app, language| {
        fill_lists(app, language);
        session(app).set_problem(Problem::DocumentTooLarge);
        go(app, Screen::Home);
    }),
    scene("note", |app, language| {
        app.global::<Notes<'_>>().set_current(note(language));
        go(app, Screen::Note);
    }),
    Scene {
        pressed: Some(("このノートを削除", "Delete this note")),
        ..scene("note-delete", |app, language| {
            app.global::<Notes<'_>>().set_current(note(language));
            go(app, Screen::Note);
        })
    },
    scene("note-not-saved", |app, language| {
        app.global::<Notes<'_>>().set_current(note(language));
        app.global::<Notes<'_>>().set_saved(SaveState::Failed);
        go(app, Screen::Note);
    }),
    scene("note-changed", |app, language| {
        app.global::<Notes<'_>>().set_current(note(language));
        app.global::<Notes<'_>>().set_news(NoteNews::Changed);
        go(app, Screen::Note);
    }),
    scene("note-copied", |app, language| {
        app.global::<Notes<'_>>().set_current(note(language));
        app.global::<Notes<'_>>().set_news(NoteNews::Copied);
        go(app, Screen::Note);
    }),
    scene("note-deleted", |app, language| {
        app.global::<Notes<'_>>().set_current(note(language));
        app.global::<Notes<'_>>().set_news(NoteNews::Deleted);
        go(app, Screen::Note);
    }),
    scene("note-not-deleted", |app, language| {
        app.global::<Notes<'_>>().set_current(note(language));
        app.global::<Notes<'_>>().set_news(NoteNews::NotDeleted);
        go(app, Screen::Note);
    }),
    scene("note-new", |app, _| go(app, Screen::Note)),
    scene("covered", |app, language| {
        app.global::<Notes<'_>>().set_current(note(language));
        session(app).set_vault_open(true);
        session(app).set_covered(true);
        go(app, Screen::Note);
    }),
    scene("note-marked", |app, language| {
        app.global::<Notes<'_>>().set_current(note(language));
        session(app).set_vault_open(true);
        session(app).set_watermark("0193588a-7c1e-7d40-a6b1-52f0c88e4d17\n2026-11-23".into());
        go(app, Screen::Note);
    }),
    scene("settings", |app, _| go(app, Screen::Settings)),
    scene("settings-open", |app, _| {
        session(app).set_vault_open(true);
        go(app, Screen::Settings);
    }),
    scene("settings-pin-changed", |app, _| {
        session(app).set_vault_open(true);
        session(app).set_pin_changed(true);
        go(app, Screen::Settings);
    }),
    Scene { typed: "40715", ..scene("change-pin", |app, _| go(app, Screen::ChangePin)) },
    scene("change-pin-wrong", |app, _| {
        session(app).set_problem(Problem::WrongPin);
        session(app).set_attempts_left(7);
        go(app, Screen::ChangePin);
    }),
    scene("change-pin-waits", |app, _| {
        session(app).set_pin_wait("15:30:20".into());
        go(app, Screen::ChangePin);
    }),
    scene("change-pin-offline", |app, _| {
        session(app).set_problem(Problem::Offline);
        go(app, Screen::ChangePin);
    }),
    Scene { typed: "407155\n4071", ..scene("change-pin-new", |app, _| go(app, Screen::ChangePin)) },
    Scene { typed: "407155\n407155\n", ..scene("change-pin-same", |app, _| go(app, Screen::ChangePin)) },
    Scene { typed: "407155\n802956\n80", ..scene("change-pin-again", |app, _| go(app, Screen::ChangePin)) },
    scene("change-pin-busy", |app, _| {
        session(app).set_busy(true);
        go(app, Screen::ChangePin);
    }),
    scene("about", |app, _| {
        session(app).set_confinement(Confinement::Restricted);
        go(app, Screen::About);
    }),
    scene("about-older-system", |app, _| {
        session(app).set_confinement(Confinement::Restricted);
        let gaps = ConfinementGaps { truncation: true, devices: true, signals: true };
        session(app).set_confinement_gaps(gaps);
        go(app, Screen::About);
    }),
    scene("about-unsupported", |app, _| {
        session(app).set_confinement(Confinement::Unsupported);
        go(app, Screen::About);
    }),
    scene("about-refused", |app, _| {
        session(app).set_confinement(Confinement::Refused);
        go(app, Screen::About);
    }),
    scene("repair", |app, _| {
        session(app).set_repair(Repair::Repair);
        go(app, Screen::Repair);
    }),
    scene("repair-impossible", |app, _| {
        session(app).set_repair(Repair::StartOver);
        go(app, Screen::Repair);
    }),
    Scene {
        pressed: Some(("やり直す", "Start over")),
        ..scene("repair-start-over", |app, _| {
            session(app).set_repair(Repair::StartOver);
            go(app, Screen::Repair);
        })
    },
    Scene {
        typed: "40715",
        ..scene("unlock-repair", |app, _| {
            session(app).set_mending(Repair::Repair);
            go(app, Screen::Unlock);
        })
    },
    scene("unlock-start-over-busy", |app, _| {
        session(app).set_mending(Repair::StartOver);
        session(app).set_busy(true);
        go(app, Screen::Unlock);
    }),
    scene("repaired", |app, language| {
        let file = pick(language, "点検票.csv", "checklist.csv");
        session(app).set_repaired(Repaired {
            way: Repair::Repair,
            kept: 148,
            lost: model(vec![
                LostItem { kind: LostKind::Document, title: "".into() },
                LostItem { kind: LostKind::Note, title: "".into() },
                LostItem { kind: LostKind::File, title: file.into() },
            ]),
            unnamed: 1,
            newest: 2,
        });
        go(app, Screen::Repaired);
    }),
    scene("repaired-empty", |app, _| {
        session(app).set_repaired(Repaired { way: Repair::StartOver, ..Repaired::default() });
        go(app, Screen::Repaired);
    }),
    scene("repaired-whole", |app, _| go(app, Screen::Repaired)),
    Scene {
        pressed: Some(("文書", "Documents")),
        ..scene("home-item-damaged", |app, language| {
            fill_lists(app, language);
            session(app).set_repair(Repair::Repair);
            session(app).set_problem(Problem::ItemDamaged);
            go(app, Screen::Home);
        })
    },
    scene("blocked", |app, _| go(app, Screen::Blocked)),
    scene("erasing", |app, _| {
        session(app).set_erase_steps(model(vec![
            EraseStep { kind: EraseStepKind::Close, done: true },
            EraseStep { kind: EraseStepKind::Keys, done: true },
            EraseStep { kind: EraseStepKind::Data, done: false },
            EraseStep { kind: EraseStepKind::Receipt, done: false },
        ]));
        go(app, Screen::Erasing);
    }),
    scene("erased", |app, _| {
        session(app).set_receipt_acknowledged(true);
        go(app, Screen::Erased);
    }),
    scene("erased-unsent", |app, _| go(app, Screen::Erased)),
    scene("damaged", |app, _| go(app, Screen::Damaged)),
    scene("damaged-in-use", |app, _| {
        session(app).set_problem(Problem::BusyElsewhere);
        go(app, Screen::Damaged);
    }),
    Scene {
        pressed: Some(("ノート", "Notes")),
        ..scene("home-problem", |app, language| {
            fill_lists(app, language);
            session(app).set_problem(Problem::StorageFull);
            go(app, Screen::Home);
        })
    },
];

/// Everything as it is before a scene, on a screen that no scene begins from.
pub(super) fn leave(app: &App) {
    let session = session(app);
    let other = if session.get_screen() == Screen::Damaged { Screen::Erased } else { Screen::Damaged };
    session.set_screen(other);
    session.set_busy(false);
    session.set_online(true);
    session.set_lease_running(false);
    session.set_attempts_left(-1);
    session.set_pin_wait("".into());
    session.set_problem(Problem::None);
    session.set_paste_allowed(false);
    session.set_confinement(Confinement::NotAsked);
    session.set_confinement_gaps(ConfinementGaps::default());
    session.set_vault_open(false);
    session.set_covered(false);
    session.set_watermark("".into());
    session.set_pin_changed(false);
    session.set_repair(Repair::None);
    session.set_mending(Repair::None);
    session.set_repaired(Repaired::default());
    session.set_receipt_acknowledged(false);
    session.set_server("".into());
    session.set_version("0.1.0".into());
    session.set_organisation(
        match other {
            _ if session.get_language() == "ja" => "玉手県",
            _ => "Tamate Prefecture",
        }
        .into(),
    );
    let notes = app.global::<Notes<'_>>();
    notes.set_search("".into());
    notes.set_current(NoteText::default());
    notes.set_saved(SaveState::Saved);
    notes.set_news(NoteNews::None);
    notes.set_unsent(0);
    notes.set_stuck(0);
    notes.set_rows(ModelRc::default());
    app.global::<Documents<'_>>().set_rows(ModelRc::default());
    app.global::<Documents<'_>>().set_coming(0);
}

const fn scene(name: &'static str, fill: fn(&App, &str)) -> Scene {
    Scene { name, fill, pressed: None, typed: "" }
}

fn session(app: &App) -> Session<'_> {
    app.global()
}

fn go(app: &App, screen: Screen) {
    session(app).set_screen(screen);
}

fn pick(language: &str, ja: &'static str, en: &'static str) -> &'static str {
    if language == "ja" { ja } else { en }
}

fn model<T: Clone + 'static>(rows: Vec<T>) -> ModelRc<T> {
    Rc::new(VecModel::from(rows)).into()
}

fn fill_lists(app: &App, language: &str) {
    let titles = pick(
        language,
        "会計課の窓口は4月1日から2階です|住民情報システムの停止(11月29日 20:00から)|夏季休業期間中の施設管理について|畜舎の立入検査の手引(令和8年度版)|営業施設調査票|避難所開設時の連絡体制",
        "The accounting counter moves to the second floor|Resident records are down on 29 November from 20:00|Facilities during the summer closure|Farm inspections: a manual (2026)|Premises survey form|Who to call when a shelter opens",
    );
    let headings = pick(language, "|||農政/手引き||防災", "|||Farming/Manuals||Emergencies");
    let there = DocumentState::There;
    let states = [there, there, there, there, there, DocumentState::Coming];
    let notices = [NoticeState::Unread, NoticeState::Read];
    let rows = titles.split('|').zip(headings.split('|')).zip(states).zip(1..);
    let rows = rows.map(|(((title, heading), state), number)| DocumentRow {
        id: number.to_string().into(),
        section: match number {
            1 => Section::Notices,
            3 => Section::Documents,
            _ if heading.is_empty() => Section::None,
            _ => Section::Folder,
        },
        heading: heading.into(),
        notice: notices.get(number - 1).copied().unwrap_or_default(),
        title: title.into(),
        state,
        percent: 45,
        changed: if state == DocumentState::There {
            format!("2026-11-{:02}", 20 - number).into()
        } else {
            "".into()
        },
        size: format!("{} KB", 7 * number).into(),
    });
    app.global::<Documents<'_>>().set_coming(1);
    app.global::<Documents<'_>>().set_unread(1);
    app.global::<Documents<'_>>().set_rows(model(rows.collect()));
    let current = note(language);
    let rows = vec![NoteRow {
        id: current.id,
        title: current.title,
        preview: current.body.lines().next().unwrap_or_default().into(),
        changed: "10:42".into(),
        state: NoteState::Sent,
        copy: false,
    }];
    app.global::<Notes<'_>>().set_rows(model(rows));
}

/// A note in each standing.
fn unsent_rows(language: &str) -> Vec<NoteRow> {
    let titles = pick(
        language,
        "玉手川左岸の現地確認|玉手川左岸の現地確認|聞き取り(玉手町)|現地写真の一覧|会議の控え|牛舎の数",
        "Left bank of the Tamate, on site|Left bank of the Tamate, on site|Hearing in Tamate|List of photos|Minutes|Barns",
    );
    let preview =
        pick(language, "水位計 2.31 m(9:40)。樋門は全閉。", "Gauge 2.31 m (9:40). The sluice gate is shut.");
    let standings = [
        (NoteState::Unsent, false),
        (NoteState::Sent, true),
        (NoteState::TooLarge, false),
        (NoteState::Full, false),
        (NoteState::Refused, false),
        (NoteState::Unreadable, false),
    ];
    let rows = titles.split('|').zip(standings).zip(1..);
    rows.map(|((title, (state, copy)), number)| NoteRow {
        id: number.to_string().into(),
        title: title.into(),
        preview: preview.into(),
        changed: format!("10:{}", 50 - number).into(),
        state,
        copy,
    })
    .collect()
}

fn note(language: &str) -> NoteText {
    NoteText {
        id: "1".into(),
        title: pick(language, "玉手川左岸の現地確認", "Left bank of the Tamate, on site").into(),
        body: pick(
            language,
            "水位計 2.31 m(9:40)。樋門は全閉。\n護岸のはらみ出しは前回から変化なし。写真は戻ってから整理する。\n\n次回:11月28日、農政課の髙橋さんと合流して下流側を見る。",
            "Gauge 2.31 m (9:40). The sluice gate is shut.\nThe bulge in the revetment has not changed since the last visit.\n\nNext: 28 November, downstream, together with farming affairs.",
        )
        .into(),
    }
}

fn document(language: &str) -> DocumentText {
    DocumentText {
        id: "1".into(),
        title: pick(language, "夏季休業期間中の施設管理について", "Facilities during the summer closure").into(),
        changed: "2026-11-19".into(),
        body: pick(
            language,
            "各所属長 様\n\n夏季休業期間中の庁舎および出先施設の管理について、下記のとおりお知らせします。\n\n1 期間\n令和8年8月13日(木)から8月15日(土)まで\n\n2 施錠と警備\n最終退庁者は、執務室の窓と扉、給湯室の火元を確認し、警備室の備付簿に記入してください。\n\n3 緊急時の連絡\n停電、漏水などを見つけたときは、管財課の当番へ連絡してください。連絡先は各所属の連絡網のとおりです。",
            "To all heads of section\n\nThis is how the offices and branch facilities are looked after during the summer closure.\n\n1 Period\nThursday 13 August to Saturday 15 August 2026\n\n2 Locking up\nWhoever leaves last checks the windows, the doors and the kitchen, and signs the book at the guard's desk.\n\n3 In an emergency\nWhen the power fails or water leaks, please call the property section's officer on duty.",
        )
        .into(),
    }
}

/// A document as the app's own code makes it, for a language.
type Made = fn(&str) -> Vec<u8>;

const PAGE: Made = |_| e2e_app::papers::pdf(3);
const BLOCKS: Made = |language| {
    pick(
        language,
        "# 水害時の手順\n\n警戒レベル3で**高齢者等避難**、レベル4で**全員避難**です。\n\n## 参集\n\n1. 安否を連絡する\n2. 担当の避難所へ向かう\n   - 鍵は総務課\n   - 名簿は各所属\n3. 受付を始める\n\n> 川の様子を見に行かないこと。\n\n## 記録\n\n様式は`避難所開設報告書`を使います。",
        "# When the river rises\n\nAt level 3 **elderly people** leave, at level 4 **everybody** does.\n\n## Who goes where\n\n1. Say that you are safe\n2. Go to your shelter\n   - the key is at general affairs\n   - the lists are at each section\n3. Open the reception\n\n> Do not go and look at the river.\n\n## What is written down\n\nThe form is `shelter opened`.",
    )
    .as_bytes()
    .to_vec()
};
const TABLE: Made = |language| {
    let places =
        [("中央公民館", "Central hall"), ("玉手小学校", "Tamate school"), ("北部体育館", "North gym")];
    let items = [
        ("毛布", "Blankets"),
        ("飲料水 2L", "Water, 2 l"),
        ("簡易トイレ", "Toilets"),
        ("発電機", "Generators"),
    ];
    let mut csv = pick(language, "場所,品目,数量,期限\n", "Place,Item,Number,Best before\n").to_owned();
    for (number, (place, item)) in
        places.iter().flat_map(|place| items.iter().map(move |item| (place, item))).enumerate()
    {
        let (place, item) = (pick(language, place.0, place.1), pick(language, item.0, item.1));
        csv += &format!("{place},{item},{},2028-{:02}-01\n", 40 + 25 * number, 1 + number);
    }
    csv.into_bytes()
};

/// Shows a document that was made by the code that the app shows it with.
fn viewed(
    app: &App,
    language: &str,
    japanese: &'static str,
    english: &'static str,
    made: Made,
    declared: &str,
) {
    let (title, changed) = (pick(language, japanese, english).into(), "2026-11-19".into());
    let documents = app.global::<Documents<'_>>();
    documents.set_current(DocumentText { id: "1".into(), title, changed, body: slint::SharedString::new() });
    let ask = viewer::Ask { page: 0, width: 1_600 };
    let content = viewer::view(made(language), declared, ask).expect("a document");
    client::viewer::fill(app, &content, 0);
    go(app, Screen::Document);
}
