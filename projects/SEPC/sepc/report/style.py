"""How the report looks; colors are variables, so that dark mode exchanges them all at once."""

CSS = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --card: #f6f8fa; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0;
  --c0: #0072b2; --c1: #d55e00; --c2: #007d5a; --wrong: #b64a00; --missed: #8a5a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1117; --card: #161b22; --ink: #e6edf3; --soft: #9198a1; --line: #30363d;
    --c0: #56b4e9; --c1: #ff9a4d; --c2: #3fc59b; --wrong: #ff9a4d; --missed: #e6b04a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.2rem 1rem 3rem; max-width: 68rem;
  background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .7rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.3rem 0 .6rem; }
.columns h3:first-child { margin-top: .2rem; }
p { margin: .4rem 0; }
.soft { color: var(--soft); font-size: .92rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .7rem;
  margin: 1rem 0 0; padding: 0; }
.cards div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .55rem .8rem; }
.cards dt { color: var(--soft); font-size: .85rem; }
.cards dd { margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.columns { display: grid; gap: 1.2rem 2.2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .28rem .5rem .28rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; font-weight: normal; overflow-wrap: anywhere; }
th { color: var(--soft); }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
table.facts th { width: 40%; }
.bars { display: grid; gap: .45rem .8rem;
  grid-template-columns: fit-content(45%) minmax(6rem, 1fr) max-content;
  align-items: center; }
.bars span { font-size: .92rem; }
.bars .track { background: var(--card); border: 1px solid var(--line); border-radius: .25rem;
  height: 1.25rem; }
.bars .fill { display: block; height: 100%; background: var(--c0); border-radius: .2rem; }
.bars .value { text-align: right; font-variant-numeric: tabular-nums; }
.chart svg { display: block; width: 100%; height: auto; color: var(--ink); }
figure { margin: 0; }
.pictures { display: grid; gap: 1.4rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem; }
.pair img { display: block; width: 100%; height: auto; border-radius: .25rem; }
.pair p { margin: 0; font-size: .88rem; color: var(--soft); }
figcaption { font-size: .88rem; overflow-wrap: anywhere; margin-bottom: .2rem; }
.right, .wrong, .missed { font-weight: 600; }
.right { color: var(--c2); } .wrong { color: var(--wrong); } .missed { color: var(--missed); }
details { border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .8rem;
  margin-top: .8rem; }
summary { cursor: pointer; }
pre { overflow-x: auto; font: .82rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
@media print { details { border: 0; } }
"""
