//! Plays many histories and says what came of them; replays one by its seed.

use std::process::ExitCode;

use clap::Parser;
use e2e_simulation::{Fault, Run, run};

/// Plays simulated histories of one server and its phones; the invariants are checked after every event
#[derive(Parser)]
struct Cli {
    /// How many histories
    #[arg(long, default_value_t = 100_000)]
    histories: u64,
    /// The seed of the first; the others follow it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Phones in each history; otherwise one to three, as the seed says
    #[arg(long)]
    phones: Option<usize>,
}

fn main() -> ExitCode {
    let Cli { histories, seed, phones } = Cli::parse();
    let run = run(seed, histories, phones, Fault::None);
    table(&run);
    match run.failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}

fn table(run: &Run) {
    for (what, count) in &run.counts {
        println!("{count:>12}  {what}");
    }
    let seconds = run.took.as_secs_f64();
    let rate = |number: u64| number as f64 / seconds.max(0.001);
    println!(
        "{} histories, {} events, {} checks in {seconds:.1} s: {:.0} histories and {:.0} events a second",
        run.histories,
        run.events,
        run.checks,
        rate(run.histories),
        rate(run.events)
    );
}
