"""How the pages look, in the light and in the dark, on wide screens and narrow ones. A text; imports nothing."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --soft: #5b6775; --paper: #fbfbf9; --rule: #d9dde2; --mark: #2f6fb2;
  --best: #b4510f; --card: #ffffff;
  --shade: #1c253033; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebee; --soft: #9aa5b1; --paper: #14181d; --rule: #333c46;
  --mark: #7fb2e8; --best: #f0a25c; --card: #1b2027; --shade: #000000b3; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  padding: 32px 24px 64px; max-width: 1000px; overflow-wrap: break-word; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 40px 0 6px; }
h3 { font-size: 15px; margin: 24px 0 4px; }
p { margin: 4px 0 12px; color: var(--soft); } p b { color: var(--ink); }
.warn { background: var(--card); border: 1px solid var(--best); border-left-width: 6px; border-radius: 8px;
  padding: 10px 14px; color: var(--ink); } .warn b { color: var(--best); }
code { font: 13px/1.5 ui-monospace, monospace; color: var(--ink); }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 14px;
  margin: 4px 0 12px; overflow-x: auto; }
ul { margin: 4px 0 12px; padding-left: 20px; color: var(--soft); }
details { margin: 8px 0; } summary { cursor: pointer; color: var(--mark); } details pre { margin-top: 8px; }
.facts { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0; padding: 0; list-style: none; }
.facts li { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 16px; }
.facts b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; color: var(--ink); }
.facts span { color: var(--soft); font-size: 13px; }
svg { box-sizing: border-box; width: 100%; height: auto; background: var(--card); border: 1px solid var(--rule);
  border-radius: 8px; display: block; margin: 4px 0 12px; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg text.label { fill: var(--ink); font-weight: 600; } svg text.count { fill: var(--ink); }
svg text.halo { paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
.pair { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(400px, 100%), 1fr)); gap: 0 16px; }
.pair svg { max-width: none !important; }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); }
.best { fill: none; stroke: var(--best); stroke-width: 2; }
.first { fill: none; stroke: var(--mark); stroke-width: 2; }
.second { fill: none; stroke: var(--best); stroke-width: 2; stroke-dasharray: 7 3; }
.limit { fill: none; stroke: var(--soft); stroke-dasharray: 3 4; }
.joined { fill: none; stroke: var(--mark); opacity: .45; stroke-width: 2; }
.end-first { fill: var(--mark); } .end-second, .end-best { fill: var(--best); }
.trial { fill: var(--mark); } .pruned { fill: var(--card); stroke: var(--mark); stroke-width: 1.5; }
.baseline { fill: var(--ink); } .below, .above { fill: none; stroke: var(--mark); stroke-width: 1.5; }
.whisker { stroke: var(--soft); stroke-width: 1.5; }
.front { fill: var(--best); } .dominated { fill: var(--mark); opacity: .5; } .bar { fill: var(--mark); }
.cell { fill: none; stroke: var(--rule); } .hit { fill: var(--mark); } .miss { fill: var(--best); }
.most { fill: var(--mark); opacity: .35; } .half { fill: var(--mark); opacity: .55; }
.median { stroke: var(--best); stroke-width: 3; }
.run { fill: none; stroke: color-mix(in srgb, var(--best) calc(var(--share) * 100%), var(--mark));
  stroke-width: calc(.8px + var(--share) * 1.4px); opacity: calc(.25 + var(--share) * .65); }
.run:hover { stroke-width: 4px; opacity: 1; }
.run.chosen { stroke: var(--best); stroke-width: 3px; opacity: 1; }
circle.chosen { fill: none; stroke: var(--best); stroke-width: 2.5; }
.scroll { overflow-x: auto; }
.scroll:has(table) { margin: 4px 0 12px;
  background: linear-gradient(to right, var(--paper) 12px, transparent 40px) local,
  linear-gradient(to left, var(--paper) 12px, transparent 40px) local,
  linear-gradient(to right, var(--shade), transparent 12px), linear-gradient(to left, var(--shade), transparent 12px);
  background-size: 100% 100%, 100% 100%, 100% calc(100% - 3px), 100% calc(100% - 3px); background-repeat: no-repeat; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 12px 5px 0; border-bottom: 1px solid var(--rule); white-space: nowrap;
  vertical-align: top; }
th { font-size: 13px; color: var(--soft); font-weight: 600; } td.number, th.number { text-align: right; }
td.text { white-space: normal; min-width: 220px; color: var(--soft); }
tr.chosen td { font-weight: 600; color: var(--best); }
@media (max-width: 760px) { body { padding: 20px 14px 40px; } .scroll svg.wide { width: 840px; }
  td.text { min-width: 330px; } svg.narrow text { font-size: 13.5px; } }
@media print { svg, pre, .facts li, .warn { break-inside: avoid; } }
"""
