//! The hostile documents, kind by kind.

use std::fmt::Write as _;

use e2e_app::papers::{archive, deflated, pdf, pdf_of, sheet, stream, workbook};

/// One of them.
pub(super) struct Hostile {
    pub(super) name: &'static str,
    pub(super) declared: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// Documents of one kind, by name.
type Named = Vec<(&'static str, Vec<u8>)>;

pub(super) fn all() -> Vec<Hostile> {
    let kinds: [(&'static str, Named); 6] = [
        ("image/png", pictures()),
        ("text/plain", texts()),
        ("text/markdown", markdown()),
        ("text/csv", tables()),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", workbooks()),
        ("application/pdf", pages()),
    ];
    let one = |declared| move |(name, bytes)| Hostile { name, declared, bytes };
    kinds.into_iter().flat_map(|(declared, all)| all.into_iter().map(one(declared))).collect()
}

/// The head of a PNG of this size, with nothing behind it.
fn png_head(width: u32, height: u32, colour: png::ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    if colour == png::ColorType::Indexed {
        encoder.set_palette(vec![0; 3]);
    }
    // Dropped unfinished.
    drop(encoder.write_header().expect("a head"));
    bytes
}

fn png_of(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().expect("a head");
    writer.write_image_data(&vec![0; width as usize * height as usize]).expect("its pixels");
    writer.finish().expect("its end");
    bytes
}

fn pictures() -> Named {
    let small = png_of(300, 300);
    // A frame of this size by its start-of-frame segment.
    let jpeg = |width: u16, height: u16| {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xc0, 0, 17, 8];
        bytes.extend(height.to_be_bytes().into_iter().chain(width.to_be_bytes()));
        bytes.extend([
            3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0,
        ]);
        bytes
    };
    let gif = |width: u16, height: u16, frames: usize| {
        let mut bytes = b"GIF89a".to_vec();
        bytes.extend(width.to_le_bytes().into_iter().chain(height.to_le_bytes()));
        bytes.extend([0xf0, 0, 0, 0, 0, 0, 255, 255, 255]);
        for _ in 0..frames {
            bytes.extend([0x2c, 0, 0, 0, 0]);
            bytes.extend(width.to_le_bytes().into_iter().chain(height.to_le_bytes()));
            bytes.extend([0, 2, 2, 0x4c, 1, 0]);
        }
        bytes
    };
    let webp = |inner: &[u8]| {
        let length = u32::try_from(inner.len() + 4).expect("a small file").to_le_bytes();
        [b"RIFF", &length[..], b"WEBP", inner].concat()
    };
    vec![
        ("a PNG of 60,000 by 60,000", png_head(60_000, 60_000, png::ColorType::Rgba)),
        ("a PNG of one row, 2 billion wide", png_head(i32::MAX as u32, 1, png::ColorType::Grayscale)),
        ("a PNG of 36 million equal pixels", png_of(6_000, 6_000)),
        ("a PNG cut in half", small[..small.len() / 2].to_vec()),
        ("a PNG whose pixels are not there", png_head(500, 500, png::ColorType::Indexed)),
        ("a JPEG of 65,500 by 65,500", jpeg(65_500, 65_500)),
        ("a JPEG without tables", jpeg(100, 100)),
        ("a JPEG that ends at once", vec![0xff, 0xd8, 0xff]),
        ("a JPEG of nothing but filling", [&[0xff, 0xd8][..], &vec![0xff; 1 << 20]].concat()),
        ("a GIF of 65,535 by 65,535", gif(u16::MAX, u16::MAX, 1)),
        ("a GIF of 20,000 frames", gif(16, 16, 20_000)),
        ("a GIF without a frame", gif(10, 10, 0)),
        ("a WebP of 16 million by 16 million", webp(b"VP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff")),
        ("a WebP of noise", webp(&[b"VP8L\xff\xff\xff\x7f\x2f".as_slice(), &[0xa5; 4_096]].concat())),
        ("a TIFF", b"II*\0\x08\0\0\0\xff\xff".to_vec()),
    ]
}

fn texts() -> Named {
    let half_pairs: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain([0xd800_u16; 100_000].into_iter().flat_map(u16::to_le_bytes))
        .collect();
    vec![
        ("nothing", Vec::new()),
        ("64 MiB and a byte", vec![b'a'; (64 << 20) + 1]),
        ("one line of 40 MB", vec![b'a'; 40_000_000]),
        ("a million empty lines", vec![b'\n'; 1_000_000]),
        ("UTF-16 of half pairs", half_pairs),
        ("UTF-16 with half a character", vec![0xfe, 0xff, 0]),
        ("bytes that are no UTF-8", vec![0xff; 100_000]),
        ("letters that turn the line around", "\u{202e}\u{2066}exe.txt".repeat(20_000).into_bytes()),
        ("zeros", vec![0; 100_000]),
        ("an XML of entities in entities", entities().into_bytes()),
    ]
}

/// Ten billion letters, told in ten lines.
fn entities() -> String {
    let mut xml = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a0 \"lol\">".to_owned();
    for level in 1..11 {
        let before = format!("&a{};", level - 1).repeat(10);
        write!(xml, "<!ENTITY a{level} \"{before}\">").expect("a string takes any text");
    }
    xml + "]><l>&a10;</l>"
}

fn markdown() -> Named {
    let lists: String = (0..2_000).map(|depth| format!("{}- a\n", "  ".repeat(depth))).collect();
    let all = vec![
        ("100,000 quotes in one another", ">".repeat(100_000) + "a"),
        ("100,000 brackets", "[".repeat(100_000)),
        ("100,000 links that do not end", "[a](".repeat(100_000)),
        ("100,000 stars", "*a **b ".repeat(100_000)),
        ("500,000 grave accents", "`".repeat(500_000)),
        ("2,000 lists in one another", lists),
        ("200,000 headings", "# a\n\n".repeat(200_000)),
        ("a table of 50,000 columns", format!("{}\n{}\n", "|a".repeat(50_000), "|-".repeat(50_000))),
        ("100,000 elements of HTML", "<b><script>".repeat(100_000)),
        ("references that go round", "[a]: [a]\n".repeat(50_000)),
    ];
    all.into_iter().map(|(name, text)| (name, text.into_bytes())).collect()
}

fn tables() -> Named {
    vec![
        ("a CSV of a million columns", vec![b','; 1_000_000]),
        ("a CSV of a million rows", b"a,b\n".repeat(1_000_000)),
        (
            "a CSV with a quotation mark that does not end",
            [b"\"".as_slice(), &vec![b'a'; 40_000_000]].concat(),
        ),
        ("a CSV of quotation marks", vec![b'"'; 1_000_001]),
    ]
}

fn workbooks() -> Named {
    let one = |xml: Vec<u8>| workbook(&[("a".to_owned(), xml)]);
    let text = |at: &str| format!(r#"<c r="{at}" t="inlineStr"><is><t>a</t></is></c>"#);
    let far = format!(r#"<row r="1">{}</row><row r="1048576">{}</row>"#, text("A1"), text("XFD1048576"));
    let claimed =
        br#"<worksheet><dimension ref="A1:XFD1048576"/><sheetData></sheetData></worksheet>"#.to_vec();
    let spaces =
        |length: usize| [b"<worksheet>".to_vec(), vec![b' '; length], b"</worksheet>".to_vec()].concat();
    let long =
        format!(r#"<row r="1"><c r="A1" t="inlineStr"><is><t>{}</t></is></c></row>"#, "a".repeat(60_000_000));
    let deep = format!("<worksheet><sheetData>{}", "<row>".repeat(1_000_000));
    let many: Vec<(String, Vec<u8>)> = (0..3_000).map(|n| (format!("s{n}"), sheet(""))).collect();
    let sound = one(sheet(&far));
    vec![
        ("a workbook with a cell in its last corner", sound.clone()),
        ("a workbook that claims 17 billion cells", one(claimed)),
        ("a workbook of 60 MB of blanks", one(spaces(60_000_000))),
        ("a workbook with a cell of 60 MB", one(sheet(&long))),
        ("a workbook of a million rows in one another", one(deep.into_bytes())),
        ("a workbook of 3,000 sheets", workbook(&many)),
        ("a workbook of entities in entities", one(entities().into_bytes())),
        ("a workbook cut in half", sound[..sound.len() / 2].to_vec()),
        ("an archive of something else", archive([("a.txt", b"a".to_vec())])),
        ("an old workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".repeat(100)),
    ]
}

const CATALOG: &[u8] = b"<< /Type /Catalog /Pages 2 0 R >>";

/// A PDF of one page: what is in its dictionary beside its size, and further objects from number 4.
fn page(more: &str, objects: &[Vec<u8>]) -> Vec<u8> {
    let mut all = vec![
        CATALOG.to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {more} >>").into_bytes(),
    ];
    all.extend_from_slice(objects);
    pdf_of(&all)
}

fn drawing(content: Vec<u8>) -> Vec<u8> {
    page("/Contents 4 0 R", &[stream("", &content)])
}

fn pages() -> Named {
    let pages = |two: &str, three: &str| {
        pdf_of(&[CATALOG.to_vec(), two.as_bytes().to_vec(), three.as_bytes().to_vec()])
    };
    let nested = |open: &str, close: &str| format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
    let mut tree = vec![CATALOG.to_vec()];
    tree.extend((3..20_003).map(|kid| format!("<< /Type /Pages /Kids [{kid} 0 R] /Count 1 >>").into_bytes()));
    let form = |draws: &str| {
        let fonts = "/Resources << /XObject << /X 5 0 R >> >>";
        let inner = format!("/Type /XObject /Subtype /Form /BBox [0 0 9 9] {fonts}");
        page(&format!("/Contents 4 0 R {fonts}"), &[stream("", b"/X Do"), stream(&inner, draws.as_bytes())])
    };
    let image = |width: u32, height: u32, bytes: &[u8]| {
        let of = format!(
            "/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode"
        );
        let content = stream("", b"q 500 0 0 500 0 0 cm /X Do Q");
        page("/Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >>", &[content, stream(&of, bytes)])
    };
    let tiling = stream(
        "/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep 0.001 /YStep 0.001 /Resources << >>",
        b"0 0 1 1 re f",
    );
    let tiled = page(
        "/Contents 4 0 R /Resources << /Pattern << /P 5 0 R >> >>",
        &[stream("", b"/Pattern cs /P scn 0 0 595 842 re f"), tiling],
    );
    let sound = pdf(1);
    let round = String::from_utf8_lossy(&sound).replace("/Root 1 0 R", "/Root 1 0 R /Prev 0");
    let encrypted = String::from_utf8_lossy(&sound).replace(
        "/Root 1 0 R",
        "/Root 1 0 R /ID [<00><00>] /Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -4 /O <0000000000000000000000000000000000000000000000000000000000000000> /U <0000000000000000000000000000000000000000000000000000000000000000> >>",
    );
    vec![
        (
            "a PDF whose pages are their own children",
            pages("<< /Type /Pages /Kids [2 0 R] /Count 1 >>", "null"),
        ),
        (
            "a PDF of two pages that are each other's children",
            pages("<< /Type /Pages /Kids [3 0 R] /Count 1 >>", "<< /Type /Pages /Kids [2 0 R] /Count 1 >>"),
        ),
        ("a PDF whose pages are 20,000 deep", pdf_of(&tree)),
        ("a PDF that claims 2 billion pages", pages("<< /Type /Pages /Kids [] /Count 2147483647 >>", "null")),
        ("a PDF of 200,000 arrays in one another", drawing(nested("[", "]").into_bytes())),
        ("a PDF of 200,000 dictionaries in one another", drawing(nested("<< /a ", " >>").into_bytes())),
        ("a PDF with an object of 200,000 arrays", page("/Contents 4 0 R", &[nested("[", "]").into_bytes()])),
        (
            "a PDF whose drawing unfolds to 2 GB",
            page("/Contents 4 0 R", &[stream("/Filter /FlateDecode", &deflated(b' ', 2_000))]),
        ),
        ("a PDF whose picture unfolds to 3 GB", image(32_000, 32_000, &deflated(0, 64))),
        ("a PDF with a picture of 4 billion by 4 billion", image(u32::MAX, u32::MAX, &deflated(0, 1))),
        ("a PDF whose drawing draws itself", form("/X Do")),
        ("a PDF whose drawing draws itself twice", form("/X Do /X Do")),
        ("a PDF that saves a million states", drawing(b"q ".repeat(1_000_000))),
        ("a PDF that clips a hundred thousand times", drawing(b"0 0 99 99 re W n ".repeat(100_000))),
        (
            "a PDF of a line with a million corners",
            drawing([b"0 0 m ".to_vec(), b"500 800 l 3 7 l ".repeat(500_000), b"S".to_vec()].concat()),
        ),
        ("a PDF that fills with tiles of a thousandth", tiled),
        ("a PDF of dashes of a millionth", drawing(b"[0.000001] 0 d 0 0 m 500 800 l S".to_vec())),
        (
            "a PDF of a page 20 km wide",
            String::from_utf8_lossy(&sound).replace("0 0 595 842", "0 0 9e7 9e7").into_bytes(),
        ),
        (
            "a PDF of a page of no size",
            String::from_utf8_lossy(&sound).replace("0 0 595 842", "5 5 5 5 ").into_bytes(),
        ),
        (
            "a PDF whose numbers are none",
            String::from_utf8_lossy(&sound).replace("0 0 595 842", "nan inf - .").into_bytes(),
        ),
        ("a PDF whose table leads to its beginning", round.into_bytes()),
        ("a PDF with a password", encrypted.into_bytes()),
        ("a PDF cut in half", sound[..sound.len() / 2].to_vec()),
        ("a PDF of its first line", b"%PDF-1.7\n".to_vec()),
        ("a PDF of noise", [b"%PDF-1.7\n".as_slice(), &[0xa5; 500_000]].concat()),
    ]
}
