//! `/batches/{id}/rejected.csv`: the rows that were not accepted, for whoever mends the file.

use axum::extract::{Path, State};
use axum::response::Response;
use mdm_core::batch::PlanWord;

use super::line::rejected_rows;
use super::{failed, must_see_lines, named};
use crate::console::Console;
use crate::console::download::{Encoding, Table};
use crate::console::failure::Failure;
use crate::console::page::Nav;
use crate::console::viewer::Viewer;
use crate::rights::Read;
use crate::use_cases::batches::lines::lines_at;

/// All rejected rows, in the encoding of the file that they were in.
pub(in crate::console) async fn download(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let failed = failed(&viewer.visit);
    let batch = named(&viewer, &console, &id).await?;
    must_see_lines(&viewer, &console, &batch).await?;
    let index = console.batches.index(&console.service, &batch).await.map_err(&failed)?;
    let positions = index.positions(|word| word == PlanWord::Rejected);
    let lines = lines_at(&console.service, batch.id, &positions).await.map_err(&failed)?;
    let page = viewer.page(Nav::Batches, &console);
    let header = ["batches-row", "batches-column", "batches-value", "batches-why", "batches-cure"];
    let mut table = Table::new(&header.map(|key| page.say(key)));
    for row in lines.iter().flat_map(|line| rejected_rows(&page, line)) {
        let number = row.row.map(|row| row.to_string()).unwrap_or_default();
        table.row(&[number, row.column, row.value, row.why, row.cure]);
    }
    Ok(table.download(&format!("rejected-{}.csv", batch.id), Encoding::of_file(&batch.encoding)))
}
