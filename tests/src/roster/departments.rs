//! The organisation chart (部, 課, 係) of an invented prefecture, and which trades work where.

/// What someone was hired as (職種); it decides the junior titles and where a move can lead.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trade {
    /// 事務
    Clerk,
    /// 土木, 建築, 農業
    Engineer,
    /// 獣医
    Veterinarian,
    /// 保健
    Nurse,
    /// 薬剤, 食品衛生
    Pharmacist,
}

/// A 部.
pub(super) struct Division {
    pub(super) name: &'static str,
    pub(super) sections: &'static [Section],
}

/// A 課, or an office of the 部 outside the main building, with its 係.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// Drawn evenly: a trade that stands twice is twice as frequent.
    pub(super) trades: &'static [Trade],
    pub(super) units: &'static [&'static str],
}

const fn section(name: &'static str, trades: &'static [Trade], units: &'static [&'static str]) -> Section {
    Section { name, trades, units }
}

const CLERKS: &[Trade] = &[Trade::Clerk];
const WORKS: &[Trade] = &[Trade::Clerk, Trade::Engineer, Trade::Engineer];
const FARMS: &[Trade] = &[Trade::Clerk, Trade::Engineer];
const BARNS: &[Trade] = &[Trade::Clerk, Trade::Veterinarian, Trade::Veterinarian];
const CARE: &[Trade] = &[Trade::Clerk, Trade::Clerk, Trade::Nurse];
const HYGIENE: &[Trade] = &[Trade::Clerk, Trade::Pharmacist, Trade::Pharmacist, Trade::Veterinarian];
const CLINICS: &[Trade] = &[Trade::Clerk, Trade::Nurse, Trade::Nurse, Trade::Pharmacist];

/// The chart; a small organisation uses only its first divisions.
pub(super) const DIVISIONS: &[Division] = &[
    Division {
        name: "総務部",
        sections: &[
            section("総務課", CLERKS, &["総務係", "文書係", "法規係"]),
            section("人事課", CLERKS, &["人事係", "給与係", "福利厚生係"]),
            section("財政課", CLERKS, &["財政第一係", "財政第二係"]),
            section("情報政策課", CLERKS, &["企画係", "システム係", "ネットワーク係"]),
            section("税務課", CLERKS, &["課税係", "収税係", "管理係"]),
            section("管財課", FARMS, &["財産係", "庁舎係", "車両係"]),
        ],
    },
    Division {
        name: "農林水産部",
        sections: &[
            section("農政課", FARMS, &["総務係", "企画係", "農地係"]),
            section("畜産課", BARNS, &["畜政係", "生産振興係", "家畜衛生係"]),
            section("農産園芸課", FARMS, &["米麦係", "園芸係", "普及係"]),
            section("林業課", FARMS, &["林政係", "森林整備係", "治山係"]),
            section("水産課", FARMS, &["漁政係", "漁港係"]),
            section("東部家畜保健衛生所", BARNS, &["防疫係", "衛生指導係"]),
            section("西部家畜保健衛生所", BARNS, &["防疫係", "衛生指導係"]),
        ],
    },
    Division {
        name: "福祉保健部",
        sections: &[
            section("福祉保健課", CARE, &["総務係", "地域福祉係"]),
            section("生活衛生課", HYGIENE, &["食品衛生係", "環境衛生係", "動物愛護係"]),
            section("健康増進課", CARE, &["健康づくり係", "感染症対策係"]),
            section("長寿社会課", CARE, &["介護保険係", "施設係"]),
            section("子ども家庭課", CARE, &["保育係", "児童福祉係"]),
            section("東部保健所", CLINICS, &["総務係", "保健係", "衛生係"]),
            section("西部保健所", CLINICS, &["総務係", "保健係", "衛生係"]),
        ],
    },
    Division {
        name: "土木部",
        sections: &[
            section("監理課", CLERKS, &["総務係", "建設業係", "用地係"]),
            section("道路課", WORKS, &["計画係", "改良係", "維持係"]),
            section("河川課", WORKS, &["水政係", "計画係", "防災係"]),
            section("砂防課", WORKS, &["砂防係", "傾斜地係"]),
            section("都市計画課", WORKS, &["計画係", "公園係", "開発指導係"]),
            section("建築住宅課", WORKS, &["建築指導係", "住宅係", "営繕係"]),
            section("東部土木事務所", WORKS, &["管理係", "道路係", "河川砂防係"]),
            section("西部土木事務所", WORKS, &["管理係", "道路係", "河川砂防係"]),
        ],
    },
    Division {
        name: "企画部",
        sections: &[
            section("企画課", CLERKS, &["企画係", "調整係"]),
            section("広報課", CLERKS, &["広報係", "広聴係"]),
            section("統計課", CLERKS, &["人口統計係", "経済統計係"]),
            section("地域振興課", CLERKS, &["地域振興係", "交通政策係", "移住促進係"]),
        ],
    },
    Division {
        name: "環境生活部",
        sections: &[
            section("環境政策課", FARMS, &["企画係", "温暖化対策係"]),
            section("廃棄物対策課", FARMS, &["指導係", "審査係"]),
            section("自然保護課", FARMS, &["自然公園係", "鳥獣対策係"]),
            section("県民生活課", CLERKS, &["消費生活係", "人権係", "交通安全係"]),
        ],
    },
    Division {
        name: "商工観光部",
        sections: &[
            section("商工政策課", CLERKS, &["総務係", "金融係"]),
            section("企業立地課", CLERKS, &["誘致係", "用地係"]),
            section("労働雇用課", CLERKS, &["雇用対策係", "職業能力係"]),
            section("観光課", CLERKS, &["企画係", "誘客係", "物産係"]),
        ],
    },
    Division {
        name: "危機管理部",
        sections: &[
            section("危機管理課", CLERKS, &["計画係", "対策係", "通信係"]),
            section("消防保安課", CLERKS, &["消防係", "保安係"]),
        ],
    },
    Division {
        name: "会計管理部",
        sections: &[
            section("会計課", CLERKS, &["審査係", "出納係"]),
            section("物品調達課", CLERKS, &["契約係", "検査係"]),
        ],
    },
    Division {
        name: "教育部",
        sections: &[
            section("教育総務課", CLERKS, &["総務係", "企画係"]),
            section("学校教育課", CLERKS, &["指導係", "学事係"]),
            section("教職員課", CLERKS, &["人事係", "給与係"]),
            section("文化財課", CLERKS, &["調査係", "保存係"]),
            section("施設課", FARMS, &["計画係", "整備係"]),
        ],
    },
];

/// Where someone sits: a head of division has no section, a head of section no unit. The order is the chart's,
/// heads first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Post {
    division: usize,
    section: Option<usize>,
    unit: Option<usize>,
}

impl Post {
    /// As it stands in the column 所属.
    pub(super) fn department(self) -> String {
        let division = &DIVISIONS[self.division];
        let mut text = division.name.to_owned();
        if let Some(section) = self.section.map(|index| &division.sections[index]) {
            text.push(' ');
            text.push_str(section.name);
            if let Some(unit) = self.unit {
                text.push(' ');
                text.push_str(section.units[unit]);
            }
        }
        text
    }

    /// Whether this belongs to an office outside the main building, whose heads have titles of their own.
    pub(super) fn is_office(self) -> bool {
        self.section.is_some_and(|index| DIVISIONS[self.division].sections[index].name.ends_with('所'))
    }

    /// The trades that work here; clerks' where no section says.
    pub(super) fn trades(self) -> &'static [Trade] {
        self.section.map_or(CLERKS, |index| DIVISIONS[self.division].sections[index].trades)
    }
}

/// The posts of an organisation that uses the first `divisions` of the chart.
pub(super) struct Chart {
    pub(super) divisions: Vec<Post>,
    pub(super) sections: Vec<Post>,
    pub(super) units: Vec<Post>,
}

impl Chart {
    /// A chart that suits so many people: two divisions for a village, all for a prefecture.
    pub(super) fn for_people(people: usize) -> Self {
        let used = (people / 60).clamp(2, DIVISIONS.len());
        let mut chart = Self { divisions: Vec::new(), sections: Vec::new(), units: Vec::new() };
        for (division, content) in DIVISIONS.iter().enumerate().take(used) {
            chart.divisions.push(Post { division, section: None, unit: None });
            for (index, section) in content.sections.iter().enumerate() {
                let head = Post { division, section: Some(index), unit: None };
                chart.sections.push(head);
                chart.units.extend((0..section.units.len()).map(|unit| Post { unit: Some(unit), ..head }));
            }
        }
        chart
    }
}
