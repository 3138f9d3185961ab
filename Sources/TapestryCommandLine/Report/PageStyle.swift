/// How the report's page looks, in light and in dark surroundings.
enum PageStyle {
    static let css = """
        :root { color-scheme: light dark; --ink: #1d2125; --soft: #5d666f; --line: #d5dade; --faint: #eceff1;
        --page: #ffffff; --bar: #b9cfe8; }
        @media (prefers-color-scheme: dark) {
        :root { --ink: #e3e6e9; --soft: #a2abb4; --line: #3a4147; --faint: #23282c; --page: #15181b; --bar: #35506e; }
        }
        * { box-sizing: border-box; }
        body { margin: 0 auto; max-width: 84rem; padding: 2.5rem 1.5rem 3rem; background: var(--page);
        color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
        h1 { margin: 0; font-size: 1.6rem; font-weight: 650; }
        h2 { margin: 2.5rem 0 0.75rem; font-size: 1.1rem; font-weight: 650; }
        span, .note, footer { color: var(--soft); }
        .note, footer { font-size: 0.85rem; margin: 0.6rem 0 0; }
        footer { margin-top: 3rem; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
        th, td { padding: 0.35rem 1rem 0.35rem 0; text-align: left; white-space: nowrap; vertical-align: baseline;
        border-bottom: 1px solid var(--faint); }
        th { font-weight: 500; color: var(--soft); }
        thead tr:last-child th { border-bottom-color: var(--line); }
        .groups th { border-bottom: none; padding-bottom: 0; font-size: 0.8rem; text-align: center; }
        .groups div { border-bottom: 1px solid var(--line); }
        .results { font-size: 0.84rem; }
        .results th, .results td { padding-right: 0.8rem; }
        .results td { line-height: 1.3; vertical-align: top; }
        tfoot td { border-top: 1px solid var(--line); border-bottom: none; font-weight: 600; }
        .n { text-align: right; }
        .best { font-weight: 700; }
        b { font-weight: 600; }
        .swatch { width: 26px; height: 8px; margin-right: 0.55rem; vertical-align: middle; }
        .legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.75rem; margin: 0 0 0.75rem; padding: 0;
        list-style: none; font-size: 0.9rem; }
        .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(27rem, 100%), 1fr));
        gap: 1rem 1.5rem; }
        .layers { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 0.75rem 1rem;
        margin: 0.75rem 0 1rem; }
        .plots svg, .layers svg { width: 100%; height: auto; display: block; }
        details { border-bottom: 1px solid var(--faint); padding: 0.5rem 0; }
        summary { cursor: pointer; }
        details .scroll { margin: 0.5rem 0 1rem 1.1rem; }
        .share { width: 12rem; padding-right: 0; vertical-align: middle; }
        .share div { height: 0.6rem; border-radius: 2px; background: var(--bar); }
        code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 0.95em; }
        @media print { body { padding: 0; max-width: none; } .scroll { overflow: visible; } }

        """
}
