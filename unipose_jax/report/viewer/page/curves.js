// Charts over training steps; the cursor is at the same step in all of them.

const LINE_COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#9a8c1b", "#8a929c"];

function startCurves(root) {
  const charts = JSON.parse(root.querySelector("script").textContent);
  // A run has the same colour in all charts.
  const names = [...new Set(charts.flatMap((chart) => chart.names))];
  const plots = [];
  const draw = () => {
    for (const { plot } of plots.splice(0)) plot.destroy();
    root.querySelectorAll("section").forEach((card) => card.remove());
    for (const chart of charts) plots.push(curvePlot(root, chart, names));
  };
  draw();
  new ResizeObserver(() => {
    for (const { plot, card } of plots) plot.setSize(curveSize(card));
  }).observe(root);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  root.dataset.ready = "yes";
}

function curvePlot(root, chart, names) {
  const style = getComputedStyle(root);
  const color = (name) => style.getPropertyValue(name).trim();
  const card = document.createElement("section");
  card.className = "panel";
  const heading = document.createElement("h3");
  heading.textContent = chart.title;
  card.append(heading);
  root.append(card);
  const axis = {
    stroke: color("--faint"), font: "11px system-ui, sans-serif",
    grid: { stroke: color("--line"), width: 1 }, ticks: { show: false },
  };
  const few = chart.x.length < 40;
  const plot = new lib.uPlot({
    ...curveSize(card),
    scales: { x: { time: false }, y: chart.log ? { distr: 3 } : {} },
    axes: [{ ...axis, size: 26, gap: 4 }, { ...axis, size: 56, gap: 4, space: 30, values: (_, ticks) =>
      ticks.map((tick) => (tick === null ? "" : String(Number(tick.toPrecision(3))))) }],
    cursor: { sync: { key: "steps" }, drag: { x: true, y: false } },
    series: [{ label: "step" }, ...chart.names.map((name) => {
      const many = names.length > LINE_COLORS.length;
      const index = many && chart.names.length === 1 ? 0 : names.indexOf(name);
      return {
        label: name, stroke: LINE_COLORS[index % LINE_COLORS.length], width: 1.8, spanGaps: true,
        dash: index < LINE_COLORS.length ? [] : [6, 4], points: { show: few, size: 5 },
        value: (_, number) => (number === null ? "–" : number.toPrecision(3)),
      };
    })],
  }, [chart.x, ...chart.lines], card);
  return { plot, card };
}

function curveSize(card) {
  return { width: Math.max(card.clientWidth - 2, 200), height: 230 };
}

for (const root of document.querySelectorAll(".curves")) startCurves(root);
