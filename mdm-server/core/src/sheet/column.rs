//! What a column may tell, and the headers by which it is known, Japanese or English. Headers of other products'
//! exports are in `layout`.

use std::fmt;

/// What a column tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the attribute of its name")]
pub enum Column {
    StaffNumber,
    /// The name that somebody signs in with elsewhere. Stands for the staff number where no row has one.
    Login,
    Name,
    /// 姓.
    FamilyName,
    /// 名.
    GivenName,
    Kana,
    /// セイ.
    FamilyKana,
    /// メイ.
    GivenKana,
    Department,
    DepartmentCode,
    /// A path like `/総務部/税務課`. Stands for the department where that cell is empty.
    OrgUnit,
    /// 部局.
    Bureau,
    /// 課.
    Division,
    /// 係.
    Section,
    Title,
    /// 本務兼務区分: which of a person's rows is the main post.
    Post,
    /// 発令区分: whether the row says that the person leaves.
    Appointment,
    Employment,
    TermEnds,
    /// 生年月日.
    BirthDate,
    /// 採用年月日.
    HireDate,
    Mail,
    Wish,
    /// The mark of other products for a user to be deleted.
    Deleted,
}

use Column::{
    Appointment, BirthDate, Bureau, Department, DepartmentCode, Division, Employment, FamilyKana, FamilyName,
    GivenKana, GivenName, HireDate, Kana, Mail, Name, OrgUnit, Post, Section, StaffNumber, TermEnds, Title,
    Wish,
};

/// Accepted headers. Width, case, blanks, dots, hyphens and underscores make no difference.
const ACCEPTED: &[(Column, &[&str])] = &[
    (
        StaffNumber,
        &[
            "職員番号",
            "職員コード",
            "職員No",
            "職員ID",
            "staff_number",
            "staff_no",
            "staff_id",
            "staff_code",
            "employee_number",
        ],
    ),
    (Name, &["氏名", "職員氏名", "漢字氏名", "名前", "name", "full_name"]),
    (FamilyName, &["姓", "氏", "名字", "family_name", "last_name", "surname"]),
    (GivenName, &["名", "given_name", "first_name"]),
    (Kana, &["フリガナ", "ふりがな", "カナ氏名", "氏名カナ", "氏名フリガナ", "カナ", "kana", "name_kana"]),
    (FamilyKana, &["セイ", "姓カナ", "姓フリガナ", "family_name_kana", "last_name_kana"]),
    (GivenKana, &["メイ", "名カナ", "名フリガナ", "given_name_kana", "first_name_kana"]),
    (Department, &["所属", "所属名", "所属名称", "department", "department_name"]),
    (DepartmentCode, &["所属コード", "所属CD", "department_code"]),
    (Bureau, &["部局", "部局名", "部", "部名", "bureau"]),
    (Division, &["課", "課名", "所属課", "division"]),
    (Section, &["係", "係名", "section"]),
    (Title, &["職名", "役職", "役職名", "補職名", "補職", "title", "job_title"]),
    (Post, &["本務兼務区分", "本務兼務", "本務・兼務", "本務/兼務", "本兼区分", "本務区分", "post_kind"]),
    (Appointment, &["発令区分", "異動区分", "appointment", "appointment_kind"]),
    (Employment, &["任用区分", "employment", "employment_type"]),
    (TermEnds, &["任期満了日", "任期満了年月日", "任期終了日", "term_ends", "term_end_date"]),
    (BirthDate, &["生年月日", "誕生日", "birth_date", "date_of_birth", "birthday"]),
    (HireDate, &["採用年月日", "採用日", "入庁年月日", "入庁日", "hire_date", "date_of_hire", "join_date"]),
    (Mail, &["メールアドレス", "メール", "mail", "email", "mail_address", "email_address"]),
    (Wish, &["利用", "利用希望", "利用有無", "wish", "wishes_seat", "use"]),
];

/// Any of these says where a person works.
pub(super) const DEPARTMENT: [Column; 6] = [Department, Division, Bureau, Section, DepartmentCode, OrgUnit];

impl Column {
    /// What somebody may say that a column tells: all that a list of one's own can have.
    pub const ASSIGNABLE: [Self; 21] = [
        StaffNumber,
        Name,
        FamilyName,
        GivenName,
        Kana,
        FamilyKana,
        GivenKana,
        Department,
        DepartmentCode,
        Bureau,
        Division,
        Section,
        Title,
        Post,
        Appointment,
        Employment,
        TermEnds,
        BirthDate,
        HireDate,
        Mail,
        Wish,
    ];

    /// As stored and typed.
    pub fn name(self) -> &'static str {
        match self {
            StaffNumber => "staff-number",
            Self::Login => "login",
            Name => "name",
            FamilyName => "family-name",
            GivenName => "given-name",
            Kana => "kana",
            FamilyKana => "family-kana",
            GivenKana => "given-kana",
            Department => "department",
            DepartmentCode => "department-code",
            OrgUnit => "org-unit",
            Bureau => "bureau",
            Division => "division",
            Section => "section",
            Title => "title",
            Post => "post",
            Appointment => "appointment",
            Employment => "employment",
            TermEnds => "term-ends",
            BirthDate => "birth-date",
            HireDate => "hire-date",
            Mail => "mail",
            Wish => "wish",
            Self::Deleted => "deleted",
        }
    }

    /// The columns that tell it, or together do.
    pub(super) fn parts(&self) -> &[Self] {
        match self {
            Department => &DEPARTMENT,
            Name => &[Name, FamilyName, GivenName],
            one => std::slice::from_ref(one),
        }
    }

    /// Headers that are recognised as this column; for the department and the name also those of their parts.
    pub fn accepted(self) -> Vec<&'static str> {
        let wanted = self.parts();
        let names = ACCEPTED.iter().filter(|(column, _)| wanted.contains(column));
        names.flat_map(|(_, names)| names.iter().copied()).collect()
    }

    /// The column of a header, if one is recognised.
    pub fn of_header(header: &str) -> Option<Self> {
        let header = fold(header);
        let found = ACCEPTED.iter().find(|(_, names)| names.iter().any(|name| fold(name) == header));
        found.map(|(column, _)| *column)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StaffNumber => "the staff number (職員番号)",
            Self::Login => "the login name (ログイン名)",
            Self::Name => "the name (氏名)",
            Self::FamilyName => "the family name (姓)",
            Self::GivenName => "the given name (名)",
            Self::Kana => "the kana (フリガナ)",
            Self::FamilyKana => "the kana of the family name (セイ)",
            Self::GivenKana => "the kana of the given name (メイ)",
            Self::Department => "the department (所属)",
            Self::DepartmentCode => "the department code (所属コード)",
            Self::OrgUnit => "the organisational unit (Org Unit Path)",
            Self::Bureau => "the bureau (部局)",
            Self::Division => "the division (課)",
            Self::Section => "the section (係)",
            Self::Title => "the title (職名)",
            Self::Post => "main or further post (本務兼務区分)",
            Self::Appointment => "the kind of appointment (発令区分)",
            Self::Employment => "the kind of employment (任用区分)",
            Self::TermEnds => "the end of the term (任期満了日)",
            Self::BirthDate => "the date of birth (生年月日)",
            Self::HireDate => "the date of hire (採用年月日)",
            Self::Mail => "the mail address (メールアドレス)",
            Self::Wish => "the wish for a seat (利用希望)",
            Self::Deleted => "the mark for deletion (削除)",
        })
    }
}

/// Full-width letters, digits and signs (U+FF01 to U+FF5E) as ASCII.
pub fn half_width(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        _ => c,
    }
}

/// A header without what makes no difference.
pub(super) fn fold(header: &str) -> String {
    let plain =
        header.chars().map(half_width).filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '.'));
    plain.flat_map(char::to_lowercase).collect()
}
