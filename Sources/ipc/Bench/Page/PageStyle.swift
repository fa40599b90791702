/// The report's colours and layout: light, dark, and on paper.
enum PageStyle {
  static let text = """
    :root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --soft: #57606a; --rule: #d8dee4; --band: #f3f5f7;
      --same: #0969b8; --different: #c2571a; --free: #1a7f4b; --raw: #1b1f24; }
    @media (prefers-color-scheme: dark) {
      :root { --paper: #14181d; --ink: #e6eaef; --soft: #9aa6b2; --rule: #343c45; --band: #1d232a;
        --same: #5aa9f0; --different: #f0925a; --free: #4fc583; --raw: #e6eaef; } }
    @media print {
      :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --rule: #bbb; --band: #fff;
        --same: #0969b8; --different: #c2571a; --free: #1a7f4b; --raw: #000; }
      h2 { break-after: avoid; } figure, svg, tr { break-inside: avoid; }
      body { font-size: 10pt; } table { font-size: 7.5pt; }
      * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
    body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 62rem;
      margin: 2rem auto; padding: 0 1rem; }
    h1 { font-size: 1.7rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; } dt { color: var(--soft); }
    dd { margin: 0; } code { background: var(--band); padding: .1rem .3rem; border-radius: 3px; }
    figure { margin: 0; overflow-x: auto; } svg { max-width: 100%; height: auto; }
    .small { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: .8rem; }
    .legend { position: sticky; top: 0; background: var(--paper); padding: .5rem 0; border-bottom: 1px solid var(--rule); }
    @media print { .legend { position: static; } }
    .legend span { margin-right: 1.3rem; white-space: nowrap; }
    .legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; border-radius: 2px;
      vertical-align: -1px; }
    .key-same { background: var(--same); } .key-different { background: var(--different); }
    .key-free { background: var(--free); } .legend .key-raw { width: 2px; background: var(--raw); }
    svg text { font: 10px system-ui, sans-serif; fill: var(--soft); }
    svg text.name { font-size: 12px; fill: var(--ink); } svg text.value { font-size: 10px; }
    .grid { stroke: var(--rule); stroke-width: 1; } .raw { stroke: var(--raw); stroke-width: 2; }
    .fill-same { fill: var(--same); } .fill-different { fill: var(--different); } .fill-free { fill: var(--free); }
    polyline { fill: none; stroke-width: 1.6; } circle[class^=ring] { fill: none; stroke-width: 1.2; r: 5px; }
    .line-same, .ring-same { stroke: var(--same); } .line-different, .ring-different { stroke: var(--different); }
    .line-free, .ring-free { stroke: var(--free); }
    .wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; width: 100%; }
    th, td { text-align: right; padding: .15rem .5rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
    th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; } th { border-bottom: 2px solid var(--rule); }
    tbody tr:nth-child(even) { background: var(--band); }
    """
}
