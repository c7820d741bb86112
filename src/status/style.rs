//! How the page looks: light or dark as the reader's system is, from a phone to a wide screen.

/// All of it. The ratio of each text to its ground is 4.5 or more in both schemes.
pub(super) const STYLE: &str = "
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --text: #1b1f24; --soft: #57606a;
  --line: #d5dae0; --good: #17663a; --bad: #a8141f; --warn: #7a4d00; --info: #0b4f9e; --code: #eceff3; }
@media (prefers-color-scheme: dark) { :root { --ground: #12151a; --card: #1b2027; --text: #e7eaee;
  --soft: #a4adb8; --line: #343b45; --good: #6fd39a; --bad: #ff9c9c; --warn: #f2c26b; --info: #8fc2ff;
  --code: #262c35; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.25rem 1rem 2.5rem; max-width: 80rem; background: var(--ground);
  color: var(--text); font: 1rem/1.5 system-ui, 'DejaVu Sans', sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .1rem 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
p { margin: .25rem 0; }
.soft, dt { color: var(--soft); font-size: .9rem; }
.head { background: var(--card); border: 1px solid var(--line); border-left: .5rem solid var(--good);
  border-radius: .5rem; padding: .8rem 1rem; }
.head.bad { border-left-color: var(--bad); } .head.early { border-left-color: var(--info); }
.good { color: var(--good); } .critical { color: var(--bad); } .warning { color: var(--warn); }
.note { color: var(--info); }
ol, ul { list-style: none; margin: 0; padding: 0; }
.problem { background: var(--card); border: 1px solid var(--line); border-left: .5rem solid;
  border-left-color: currentcolor; border-radius: .5rem; padding: .7rem 1rem; margin: 0 0 .6rem; }
.problem > * { color: var(--text); }
.problem .weight { color: inherit; font-weight: 700; font-size: .85rem; text-transform: uppercase;
  letter-spacing: .03em; }
.problem .what { font-weight: 600; white-space: pre-line; }
code { display: block; margin-top: .4rem; padding: .4rem .6rem; border-radius: .3rem;
  background: var(--code); font: .9rem/1.5 ui-monospace, 'DejaVu Sans Mono', monospace;
  white-space: pre-wrap; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; font-size: .95rem; }
caption { text-align: left; color: var(--soft); font-size: .9rem; padding-bottom: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .5rem .6rem; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-size: .85rem; font-weight: 600; }
td small, th small { display: block; color: var(--soft); font-size: .85rem; font-weight: 400; }
td.state { font-weight: 700; white-space: nowrap; }
progress { width: 100%; max-width: 10rem; height: .6rem; accent-color: var(--info); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem; margin: 0;
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; }
dd { margin: 0; }
@media (max-width: 48rem) {
  table { border: 0; background: none; }
  table, caption, tbody, tr, th, td { display: block; }
  thead { display: none; }
  tr { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
    margin-bottom: .6rem; padding: .4rem .2rem; }
  th, td { border: 0; padding: .2rem .8rem; }
  td { display: grid; grid-template-columns: 6.5rem 1fr; gap: .5rem; }
  td::before { content: attr(data-label); color: var(--soft); font-size: .9rem; font-weight: 400; }
}
";
