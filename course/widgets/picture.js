// A picture that Python draws: an <img> with its alternative text, which tells Python of clicks,
// of the pointer, and whether the page is dark.
function pageIsDark() {
  const flag = document.body.dataset.jpThemeLight;
  if (flag !== undefined) return flag === "false";
  return window.matchMedia("(prefers-color-scheme: dark)").matches;
}

function render({ model, el }) {
  const image = document.createElement("img");
  image.className = "course-picture";
  el.appendChild(image);
  let url = null;

  function show() {
    const bytes = model.get("png");
    image.alt = model.get("alt");
    image.title = model.get("hint");
    image.style.width = `${model.get("width")}px`;
    image.style.cursor = model.get("clickable") ? "pointer" : "default";
    if (!bytes || bytes.byteLength === 0) return;
    const next = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    const previous = url;
    url = next;
    // The old picture stays until the new one is decoded: no flicker.
    image.onload = () => previous && URL.revokeObjectURL(previous);
    image.src = next;
  }

  function place(event) {
    const box = image.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  function tell(trait, value) {
    model.set(trait, value);
    model.save_changes();
  }

  image.addEventListener("click", (event) => {
    if (model.get("clickable")) tell("clicked", place(event));
  });
  let last = 0;
  image.addEventListener("pointermove", (event) => {
    // Ten times a second is as fast as the eye asks for.
    if (!model.get("watches_pointer") || event.timeStamp - last < 100) return;
    last = event.timeStamp;
    tell("pointed", place(event));
  });

  const themeChanged = () => {
    if (model.get("dark") !== pageIsDark()) tell("dark", pageIsDark());
  };
  const observer = new MutationObserver(themeChanged);
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  model.on("change:png change:alt change:hint change:width change:clickable", show);
  themeChanged();
  show();
  return () => {
    observer.disconnect();
    model.off("change:png change:alt change:hint change:width change:clickable", show);
    if (url) URL.revokeObjectURL(url);
  };
}

export default { render };
