// The explorer: draws one cell against one target, and computes τ of the models shown.
const $ = (id) => document.getElementById(id);
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const { pools, chart, colours, themes } = JSON.parse($("explorer-data").textContent);
const form = $("controls").elements;
const CELL = ["definition", "radius", "protocol"];
const LIMITS = ["xmin", "xmax", "ymin", "ymax"];
const dark = matchMedia("(prefers-color-scheme: dark)");
let sorted = { key: "model", up: true };
let models = []; // those with both values: model, x, y, colour, shown, and a0, a1, ... of `about`

// Vega, which the page holds compressed by gzip, in base64.
const unpack = async () => {
  const bytes = Uint8Array.from(atob($("vega").textContent), (letter) => letter.charCodeAt(0));
  const script = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  document.head.append(make("script", { textContent: await new Response(script).text() }));
};
const unpacked = unpack();

// Kendall's τ (Eq. 4), NaN where undefined.
const kendall = (points) => {
  const n = points.length, constant = (key) => points.every((p) => p[key] === points[0][key]);
  if (n < 3 || constant("x") || constant("y")) return NaN;
  const sign = (key, i, j) => Math.sign(points[i][key] - points[j][key]);
  let sum = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) sum += sign("x", i, j) * sign("y", i, j);
  return sum / ((n * (n - 1)) / 2);
};
const points = ({ columns: c }, cell, target) =>
  c.model.map((model, i) => ({ i, model, x: c[cell][i], y: c[target][i] }))
    .filter(({ x, y }) => x !== null && y !== null);

const pool = () => pools[form.pool.value];
const word = (value) => String(value ?? "–");
const groups = () => (pool().groups[form.colour.value] ?? []).map(word);
const isChosen = (choices) => CELL.every((key) => choices[key] === form[key].value);
const cell = () => Object.entries(pool().cells).find(([, choices]) => isChosen(choices))[0];
const header = () => [
  ...[["model", "model"], ["x", "sharpness"], ["y", pool().targets[form.target.value]]],
  ...pool().about.map((name, k) => [`a${k}`, name]),
];

// Fill the form in order, each select with what those before it leave; keep what is wanted.
const fill = (select, options, wanted) => {
  select.replaceChildren(...options.map(([value, text]) => new Option(text ?? value, value)));
  select.value = options.some(([value]) => value === wanted) ? wanted : options[0][0];
};
const offer = (given, chosen = []) => {
  fill(form.pool, Object.entries(pools).map(([name, { title }]) => [name, title]), given.pool);
  const wanted = { ...pool().start, ...given };
  if (!given.definition) Object.assign(wanted, pool().cells[wanted.cell]);
  let cells = Object.values(pool().cells);
  for (const key of CELL) {
    fill(form[key], [...new Set(cells.map((c) => c[key]))].map((value) => [value]), wanted[key]);
    cells = cells.filter((c) => c[key] === form[key].value);
  }
  fill(form.target, Object.entries(pool().targets), wanted.target);
  const names = [...Object.keys(pool().groups), ...pool().numbers].map((name) => [name]);
  fill(form.colour, [["", "none"], ...names], wanted.colour);
  form.scale.value = wanted.scale ?? "log";
  LIMITS.forEach((name) => (form[name].value = given[name] ?? ""));
  const box = (value, k) => {
    const checked = chosen.length === 0 || chosen.includes(value);
    const mark = make("i", { style: `background: ${colours.groups.color.scale.range[k]}` });
    return make("label", {}, make("input", { type: "checkbox", name: "group", value, checked }), mark, value);
  };
  $("boxes").replaceChildren(...groups().map(box));
  $("groups").hidden = groups().length === 0;
  const by = (key) => () => tell({ key, up: sorted.key !== key || !sorted.up });
  const head = ([key, title]) => make("button", { type: "button", onclick: by(key) }, title);
  $("shown").tHead.rows[0].replaceChildren(...header().map((one) => make("th", {}, head(one))));
  return draw();
};

// Write τ, the table and the address for the models shown.
const tell = (order = sorted) => {
  const state = new FormData($("controls")), chosen = state.getAll("group");
  const inside = (v, low, high) => (low === "" || v >= +low) && (high === "" || v <= +high);
  const [xmin, xmax, ymin, ymax] = LIMITS.map((name) => form[name].value);
  for (const p of models)
    p.shown = (groups().length === 0 || chosen.includes(p.colour)) &&
      inside(p.x, xmin, xmax) && inside(p.y, ymin, ymax);
  const { key, up } = (sorted = order), less = (a, b) => (a[key] < b[key] ? -1 : +(a[key] > b[key]));
  const shown = models.filter((p) => p.shown).sort((a, b) => (up ? less(a, b) : less(b, a)));
  const tau = kendall(shown), words = Number.isNaN(tau) ? "undefined" : (tau + 0).toFixed(3);
  $("said").textContent = `τ = ${words}, n = ${shown.length} of ${models.length} models`;
  header().forEach(([name], k) => {
    $("shown").tHead.rows[0].cells[k].ariaSort = name !== key ? "none" : up ? "ascending" : "descending";
  });
  const text = (value) => (typeof value === "number" ? +value.toPrecision(5) : (value ?? "–"));
  const row = (p) => make("tr", {}, ...header().map(([name]) => make("td", {}, text(p[name]))));
  $("shown").tBodies[0].replaceChildren(...shown.map(row));
  CELL.forEach((name) => state.delete(name));
  state.set("cell", cell());
  history.replaceState(null, "", `#${new URLSearchParams([...state].filter(([, value]) => value))}`);
};

// Fill the template of the chart and embed it.
const draw = async () => {
  const { columns, about, numbers, targets } = pool(), colour = form.colour.value;
  models = points(pool(), cell(), form.target.value).map((p) => {
    const facts = about.map((name, k) => [`a${k}`, columns[name][p.i]]);
    const value = colour && columns[colour][p.i];
    return { ...p, ...Object.fromEntries(facts), colour: numbers.includes(colour) ? value : word(value) };
  });
  tell();
  const spec = structuredClone(chart), { encoding } = spec, theme = dark.matches ? "dark" : "light";
  const kind = !colour ? "none" : numbers.includes(colour) ? "numbers" : "groups";
  Object.assign(encoding, structuredClone(colours[kind]));
  if (kind === "groups") encoding.color.scale.domain = encoding.shape.scale.domain = groups();
  if (kind === "numbers") encoding.color.legend.title = colour;
  const log = form.scale.value === "log" && models.every((p) => p.x > 0);
  encoding.x.scale = log ? { type: "log" } : { zero: false };
  encoding.x.title = `${form.definition.value} (${log ? "log" : "linear"})`;
  encoding.y.title = targets[form.target.value];
  encoding.tooltip = header().map(([field, title]) => ({ field, title }));
  Object.assign(spec, { data: { name: "models", values: models }, config: themes[theme] });
  await unpacked;
  const { view } = await vegaEmbed("#plot", spec, { actions: false, renderer: "canvas", tooltip: { theme } });
  view.addSignalListener("brush", (_, { x = [], y = [] }) => {
    const ends = [x, y].flatMap((v) => (v.length ? [Math.min(...v), Math.max(...v)] : ["", ""]));
    LIMITS.forEach((name, k) => (form[name].value = ends[k] && +ends[k].toPrecision(6)));
    tell();
    view.data("models", structuredClone(models)).runAsync();
  });
};

const csv = () => {
  const [first, , , ...about] = header();
  const names = [first, ["x", cell()], ["y", form.target.value], ...about];
  const quoted = (v) => (/[",\n]/.test(v ?? "") ? `"${v.replaceAll('"', '""')}"` : (v ?? ""));
  const rows = models.filter((p) => p.shown).map((p) => names.map(([key]) => p[key]));
  return [names.map(([, name]) => name), ...rows].map((r) => r.map(quoted).join(",") + "\n").join("");
};

// Take the state from the address, or begin anew with the choices made.
const open = () => {
  const state = new URLSearchParams(location.hash.slice(1));
  if (state.has("pool")) $("explorer").focus();
  return offer(Object.fromEntries(state), state.getAll("group"));
};
const anew = (names) => offer(Object.fromEntries(names.map((name) => [name, form[name].value])));
const CHOICES = ["pool", "colour", "scale", "target", ...CELL];
$("controls").addEventListener("change", ({ target: { name } }) => {
  if (name === "pool") anew(["pool", "colour", "scale"]);
  else name !== "scale" && CHOICES.includes(name) ? anew(CHOICES) : draw();
});
$("all").addEventListener("click", () => anew(CHOICES));
$("csv").addEventListener("click", () => {
  const href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  make("a", { href, download: `${form.pool.value}.csv` }).click();
});
addEventListener("hashchange", () => location.hash.startsWith("#pool=") && open());
dark.addEventListener("change", draw);
window.explorer = { tau: (name, ...pair) => kendall(points(pools[name], ...pair)), ready: open() };
