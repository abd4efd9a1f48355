//! The report `check`: the figures of a run against limits, and where what is too much comes from.

mod annotations;
mod benchmark_results;
mod budget;
mod code_scope;
mod figure;
mod finding;
mod json;
mod markdown;
mod module_pattern;
mod sites;
mod text;

use memprof_replay::aggregate::{Aggregate, SlotSummary};
use memprof_replay::processes::ProcessId;
use memprof_replay::slots::Amount;

pub use annotations::write_annotations;
pub use benchmark_results::{write_bencher, write_github_action_benchmark};
pub use budget::{Budget, BudgetError, Limits};
pub use figure::Figure;
pub use finding::{Finding, Limit, Scope};
pub use json::write_json;
pub use markdown::write_markdown;
pub use sites::{Site, SiteFrame};
pub use text::write_text;

use crate::formatting::shell_quoting::join_quoted;
use crate::guards::diff::GrowthLimit;
use crate::guards::suppressions::{SuppressedLeaks, Suppressions};
use crate::naming::view::View;
use crate::reading::report::Report;
use code_scope::CodeScope;

/// How many sites are named for each limit that is exceeded, unless asked otherwise.
pub const DEFAULT_SITES: usize = 5;

/// What is checked, and how.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The limits.
    pub budget: Budget,
    /// How much figures may grow since the baseline.
    pub growth: Vec<(Figure, GrowthLimit)>,
    /// Leaks that do not count.
    pub suppressions: Suppressions,
    /// What places are, and which frames sites show.
    pub view: View,
    /// How many sites to name for each limit that is exceeded.
    pub sites: usize,
}

/// What came out.
#[derive(Debug)]
pub struct Outcome {
    /// One for each limit, in the order of the rules.
    pub findings: Vec<Finding>,
    /// The leaks that did not count, one for each suppression.
    pub suppressed: Vec<SuppressedLeaks>,
    /// What limits could not be checked, and why; a sentence each.
    pub notes: Vec<String>,
    /// Why the figures say nothing, if so: then nothing has passed.
    pub blindness: Option<String>,
}

impl Outcome {
    /// Checks a capture, also against a baseline. Leaks that are suppressed are gone from both reports afterwards.
    #[must_use]
    pub fn of(report: &mut Report, mut baseline: Option<&mut Report>, rules: &Rules) -> Self {
        let suppressed = report.suppress_leaks(&rules.suppressions);
        let (mut findings, mut notes) = (Vec::new(), Vec::new());
        limits_of_run(report, rules, &mut findings, &mut notes);
        limits_of_code(report, rules, &mut findings, &mut notes);
        limits_of_processes(report, rules, &mut findings, &mut notes);
        if let Some(baseline) = &mut baseline {
            baseline.suppress_leaks(&rules.suppressions);
            growth(report, baseline, rules, &mut findings, &mut notes);
        }
        Self { findings, suppressed, notes, blindness: report.blindness() }
    }

    /// Whether no limit is exceeded, as far as can be seen, and it can be seen.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.blindness.is_none() && !self.findings.iter().any(Finding::is_breach)
    }

    /// Those that are.
    pub fn breaches(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_breach())
    }
}

/// A figure of the whole report; nothing where it was not measured.
fn of_run(report: &Report, figure: Figure) -> Option<u64> {
    match figure {
        Figure::Rss => report.peak_rss(),
        _ => Some(of_amount(figure, report.total(figure.metric()))),
    }
}

const fn of_amount(figure: Figure, amount: Amount) -> u64 {
    match figure {
        Figure::Allocations => amount.allocations,
        _ => amount.bytes,
    }
}

const NO_RSS: &str = "no resident set was measured: its limit is not checked";

fn limits_of_run(report: &Report, rules: &Rules, findings: &mut Vec<Finding>, notes: &mut Vec<String>) {
    for (figure, most) in rules.budget.limits.iter() {
        let Some(value) = of_run(report, figure) else {
            notes.push(NO_RSS.to_owned());
            continue;
        };
        let mut finding = Finding { figure, scope: Scope::Run, limit: Limit::AtMost(most), value, sites: Vec::new() };
        if finding.is_breach() {
            finding.sites = sites::largest(report, rules.view, figure, rules.sites, |_| true);
        }
        findings.push(finding);
    }
}

fn limits_of_code(report: &Report, rules: &Rules, findings: &mut Vec<Finding>, notes: &mut Vec<String>) {
    for budget in &rules.budget.code {
        let scope = CodeScope::of(&budget.pattern, budget.is_own, rules.view, report);
        let is_meant = |slot: &SlotSummary| scope.has(report.tables().site(slot.site).map(|site| site.stack));
        let (kind, pattern) = (budget.pattern.kind(), budget.pattern.to_string());
        if !scope.occurs {
            notes.push(format!("no {kind} in any stack is like {pattern}: is it written as in a report?"));
        }
        for (figure, most) in budget.limits.iter() {
            let mut sum = Amount::default();
            let slots = report.aggregate().slots.iter().filter(|slot| is_meant(slot));
            slots.for_each(|slot| sum.add(slot.sums[figure.metric()]));
            let mut finding = Finding {
                figure,
                scope: Scope::Code { kind, pattern: pattern.clone(), is_own: budget.is_own },
                limit: Limit::AtMost(most),
                value: of_amount(figure, sum),
                sites: Vec::new(),
            };
            if finding.is_breach() {
                finding.sites = sites::largest(report, rules.view, figure, rules.sites, is_meant);
            }
            findings.push(finding);
        }
    }
}

fn limits_of_processes(report: &Report, rules: &Rules, findings: &mut Vec<Finding>, notes: &mut Vec<String>) {
    for budget in &rules.budget.processes {
        let processes = (0..).map(ProcessId).zip(report.processes().list());
        let command_matches = |words: &[String]| {
            let file_name = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
            budget.pattern.matches(&join_quoted(words))
                || words.iter().any(|word| budget.pattern.matches(&file_name(word)))
        };
        let meant: Vec<_> = processes.filter(|(_, process)| command_matches(&process.command_line)).collect();
        if meant.is_empty() {
            notes.push(format!("no process is like {}", budget.pattern));
        }
        for (id, process) in meant {
            for (figure, most) in budget.limits.iter() {
                let Aggregate { run, sums, .. } = report.aggregate();
                let (sums, own_peak) = (&sums.by_process[id.index()], run.processes[id.index()].own_peak);
                let value = match figure {
                    Figure::Peak => Some(own_peak.bytes),
                    Figure::Leaked => Some(sums.leaked.bytes),
                    Figure::Total => Some(sums.total.bytes),
                    Figure::Temporary => Some(sums.temporary.bytes),
                    Figure::Allocations => Some(sums.total.allocations),
                    Figure::Rss => report.process_peak_rss()[id.index()],
                };
                let Some(value) = value else {
                    notes.push(format!("process {}: {NO_RSS}", process.label()));
                    continue;
                };
                let scope = Scope::Process { pid: process.pid, command: join_quoted(&process.command_line) };
                let mut finding = Finding { figure, scope, limit: Limit::AtMost(most), value, sites: Vec::new() };
                if finding.is_breach() {
                    let is_its = |slot: &SlotSummary| report.processes().of_slot(slot) == id;
                    finding.sites = sites::largest(report, rules.view, figure, rules.sites, is_its);
                }
                findings.push(finding);
            }
        }
    }
}

fn growth(
    report: &mut Report,
    baseline: &mut Report,
    rules: &Rules,
    findings: &mut Vec<Finding>,
    notes: &mut Vec<String>,
) {
    for &(figure, limit) in &rules.growth {
        let (Some(value), Some(before)) = (of_run(report, figure), of_run(baseline, figure)) else {
            notes.push(NO_RSS.to_owned());
            continue;
        };
        let limit = Limit::Growth { before, limit };
        let mut finding = Finding { figure, scope: Scope::Run, limit, value, sites: Vec::new() };
        if finding.is_breach() {
            finding.sites = sites::grown(baseline, report, rules.view, figure, rules.sites);
        }
        findings.push(finding);
    }
}
