// A pad to draw on with mouse, finger, pen or keys. It sends Python the strokes, lists of points
// from 0 to 1, and draws the strokes that Python has.
const SIZE = 280;

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "course-pad";
  canvas.width = canvas.height = SIZE;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label",
    "Drawing pad. Draw with the pointer, or with the keys: arrows move the pen, " +
    "space puts it down or lifts it, U takes back the last stroke, C clears.");
  const spoken = document.createElement("div");
  spoken.className = "course-pad-spoken";
  spoken.setAttribute("aria-live", "polite");
  const buttons = document.createElement("div");
  buttons.className = "course-pad-buttons";
  for (const [name, icon, act] of [["Undo", "undo", undo], ["Clear", "trash", clear]]) {
    const button = document.createElement("button");
    button.className = "jupyter-widgets jupyter-button widget-button";
    button.innerHTML = `<i class="fa fa-${icon}" aria-hidden="true"></i> ${name}`;
    button.addEventListener("click", act);
    buttons.append(button);
  }
  el.append(canvas, buttons, spoken);
  const context = canvas.getContext("2d");

  let strokes = structuredClone(model.get("strokes"));
  let drawing = false;
  let pen = [0.5, 0.3];
  let penDown = false;
  let byKeys = true;  // rather than with the pointer
  let timer = null;

  function paint() {
    context.fillStyle = "white";
    context.fillRect(0, 0, SIZE, SIZE);
    context.strokeStyle = context.fillStyle = "black";
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = model.get("pen") * SIZE;
    for (const stroke of strokes) {
      context.beginPath();
      stroke.forEach(([x, y], k) => context[k ? "lineTo" : "moveTo"](x * SIZE, y * SIZE));
      if (stroke.length === 1) context.lineTo(stroke[0][0] * SIZE + 0.1, stroke[0][1] * SIZE);
      context.stroke();
    }
    if (document.activeElement === canvas && byKeys) {  // where the keys' pen is
      context.lineWidth = 2;
      context.strokeStyle = penDown ? "#D55E00" : "#0072B2";
      context.beginPath();
      context.arc(pen[0] * SIZE, pen[1] * SIZE, 0.5 * model.get("pen") * SIZE, 0, 7);
      context.stroke();
    }
  }

  function send() {
    timer = null;
    model.set("strokes", structuredClone(strokes));
    model.save_changes();
  }

  // While one draws, ten times a second: the answer follows the pen.
  function changed(now = false) {
    paint();
    if (now) {
      clearTimeout(timer);
      send();
    } else if (timer === null) {
      timer = setTimeout(send, 100);
    }
  }

  function undo() {
    strokes.pop();
    penDown = false;
    changed(true);
  }

  function clear() {
    strokes = [];
    penDown = false;
    changed(true);
  }

  function point(event) {
    const box = canvas.getBoundingClientRect();
    const inside = (value) => Math.min(1, Math.max(0, value));
    return [inside((event.clientX - box.left) / box.width),
            inside((event.clientY - box.top) / box.height)];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus();
    drawing = true;
    penDown = byKeys = false;
    strokes.push([point(event)]);
    changed();
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    strokes.at(-1).push(point(event));
    changed();
  });
  const lift = () => {
    if (!drawing) return;
    drawing = false;
    changed(true);
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);

  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    byKeys = true;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key in moves) {
      const step = event.shiftKey ? 0.02 : 0.05;
      pen = pen.map((value, k) => Math.min(1, Math.max(0, value + step * moves[key][k])));
      if (penDown) strokes.at(-1).push([...pen]);
      penDown ? changed() : paint();
    } else if (key === " ") {
      penDown = !penDown;
      if (penDown) strokes.push([[...pen]]);
      spoken.textContent = penDown ? "Pen down" : "Pen up";
      changed(true);
    } else if (key === "u") {
      undo();
    } else if (key === "c") {
      clear();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();  // the notebook has its own use for these keys
  });
  canvas.addEventListener("focus", paint);
  canvas.addEventListener("blur", paint);

  const followPython = () => {
    if (drawing || timer !== null) return;  // what is being drawn here is newer
    strokes = structuredClone(model.get("strokes"));
    if (strokes.length === 0) penDown = false;
    paint();
  };
  model.on("change:strokes", followPython);
  paint();
  return () => {
    clearTimeout(timer);
    model.off("change:strokes", followPython);
  };
}

export default { render };
