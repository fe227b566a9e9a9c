"""How the page looks, on a screen and on paper."""

STYLE = """
:root { --ink: #222; --grey: #5f5f5f; --rule: #ddd; --warn: #a32a00; --accent: #0072b2; --tint: #eef5fa; }
* { box-sizing: border-box; }
body { color: var(--ink); background: #fff; margin: 0;
       font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
.page { display: grid; grid-template-columns: 15rem minmax(0, 66rem); gap: 2.5rem; max-width: 86rem; margin: 0 auto;
        padding: 2rem 1.4rem; grid-template-areas: "nav head" "nav main"; grid-template-rows: auto 1fr; }
header { grid-area: head; } main { grid-area: main; margin-top: -2.5rem; }
nav { grid-area: nav; position: sticky; top: 1.5rem; align-self: start; max-height: calc(100vh - 3rem);
      overflow-y: auto; font-size: .86rem; }
nav p { font-weight: 600; margin: 0 0 .4rem; } nav ol { list-style: none; margin: 0; padding: 0; }
nav a { display: block; padding: .18rem .5rem; color: var(--grey); text-decoration: none;
        border-left: 2px solid var(--rule); }
nav a:hover { color: var(--accent); border-color: var(--accent); }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.8rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--rule);
     scroll-margin-top: 1rem; }
h3 { font-size: 1.02rem; margin: 1.8rem 0 .5rem; }
p, ul { max-width: 54rem; } ul { padding-left: 1.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; min-width: 40%; }
th, td { padding: .32rem .55rem; text-align: right; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { font-weight: 600; vertical-align: bottom; border-bottom: 2px solid var(--ink); }
th:first-child, td:first-child, td.words, th.words { text-align: left; }
td.words { white-space: normal; min-width: 5rem; } td:first-child { min-width: 7rem; }
td.long { min-width: 15rem; }
table.wide { font-size: .78rem; } table.wide th, table.wide td { padding: .28rem .38rem; }
table.wide td.words, table.wide td:first-child { min-width: 3.4rem; }
table.upright th:not(:first-child) { vertical-align: bottom; text-align: left; padding: .3rem .2rem; }
table.upright th:not(:first-child) span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
table.upright td:not(:first-child) { white-space: nowrap; }
tr.strong td { font-weight: 700; background: var(--tint); }
.caption { color: var(--grey); font-size: .86rem; max-width: 54rem; margin: .5rem 0 0; }
figure { margin: 1.2rem 0; break-inside: avoid; }
code { font: .92em ui-monospace, "DejaVu Sans Mono", monospace; }
img { max-width: 100%; height: auto; }
.made-up { color: #fff; background: var(--warn); padding: .5rem .9rem; font-weight: 600; border-radius: 3px; }
@media (max-width: 62rem) {
  .page { grid-template-columns: minmax(0, 1fr); gap: 1rem; grid-template-areas: "head" "nav" "main"; }
  main { margin-top: 0; } nav { position: static; max-height: none; }
  nav ol { columns: 2; }
}
@media screen and (max-width: 40rem) {
  .page { padding: 1rem .8rem; } h1 { font-size: 1.4rem; } nav a { padding: .35rem .5rem; }
  table { font-size: .78rem; } th, td { padding: .28rem .4rem; }
  th:first-child, td:first-child { position: sticky; left: 0; background: #fff; min-width: 4.6rem; max-width: 7rem;
                                   border-right: 1px solid var(--rule); }
  tr.strong td:first-child { background: var(--tint); }
  figure { overflow-x: auto; } figcaption { position: sticky; left: 0; }
  code { font: .92em ui-monospace, "DejaVu Sans Mono", monospace; }
img { max-width: max(100%, 40rem); }
}
@media print {
  @page { size: A4; margin: 16mm 13mm 18mm; @bottom-right { content: counter(page) " / " counter(pages);
          font: 8pt sans-serif; color: #5f5f5f; } }
  body { font-size: 9.5pt; } .page { display: block; padding: 0; max-width: none; }
  main { margin-top: 0; } nav { position: static; max-height: none; overflow: visible; margin: 5mm 0 0; }
  nav ol { columns: 3; }
  nav a { border: none; padding: 0; color: var(--ink); }
  h2 { font-size: 14pt; break-after: avoid; margin-top: 8mm; } h3 { break-after: avoid; margin-top: 5mm; }
  table { font-size: 7.2pt; width: 100%; min-width: 0; } th, td { padding: 1.6pt 3.2pt; }
  td.words { min-width: 0; } td:first-child { min-width: 0; } td.long { min-width: 0; }
  table.wide { font-size: 6.4pt; } table.wide th, table.wide td { padding: 1.4pt 1.8pt; }
  table.upright { font-size: 5.8pt; } table.upright td:first-child { max-width: 34mm; }
  tr { break-inside: avoid; } thead { display: table-header-group; } .scroll { overflow: visible; }
  img { max-height: 118mm; width: auto; max-width: 100%; } figure { margin: 3mm 0; }
  img.tall { max-height: 222mm; }
  table.short { break-inside: avoid; }
  .caption { font-size: 8pt; break-before: avoid; } p { orphans: 3; widows: 3; }
  .made-up { color: var(--warn); background: none; border: 1pt solid var(--warn); }
}
"""

MARK_EVERY_PAGE = '@page { @bottom-left { content: "MADE UP"; color: #a32a00; font: 700 8pt sans-serif; } }'
