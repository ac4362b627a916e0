// The controls of the viewer, and what they show.

async function startViewer(root, data) {
  const at = (name) => root.querySelector(`[data-part="${name}"]`);
  const state = { clip: 0, frame: 0, picked: 0, joint: null, paint: "side", switches: {} };
  let [scene, clock] = [null, null];
  const picture = new Picture(at("picture"));
  const charts = new Charts(at("charts"), (frame) => seek(frame));
  const space = openSpace(at("space"));

  function show() {
    const { frame } = state;
    at("slider").value = frame;
    const last = scene.time.length - 1;
    const seconds = scene.timed ? ` · ${scene.time[frame].toFixed(2)} s` : "";
    at("now").textContent = `frame ${scene.numbers[frame]} of ${scene.numbers[last]}${seconds}`;
    space?.show(frame, state);
    picture.show(frame, state);
    charts.show(frame);
    fillJoints();
  }

  function seek(frame) {
    state.frame = Math.min(Math.max(frame, 0), scene.time.length - 1);
    clock = null;
    show();
  }

  function pick(person, joint) {
    state.picked = person;
    state.joint = joint;
    at("person").value = person;
    charts.load(scene, scene.people[person], joint);
    layJoints();
    show();
  }

  // One row a joint: name, confidence, and the distance to the other poses.
  function layJoints() {
    const person = scene.people[state.picked];
    at("joints").replaceChildren(...person.joints.map((name, joint) => {
      const row = document.createElement("button");
      row.type = "button";
      row.innerHTML = "<i></i><span class=name></span><span class=sure><b></b></span><output></output>";
      row.querySelector("i").className = person.sides[joint];
      row.querySelector(".name").textContent = name;
      row.setAttribute("aria-pressed", joint === state.joint);
      row.addEventListener("click", () =>
        pick(state.picked, state.joint === joint ? null : joint));
      return row;
    }));
  }

  function fillJoints() {
    const { poses: [{ confidence, xyz }], joints, measured } = scene.people[state.picked];
    [...at("joints").children].forEach((row, joint) => {
      const index = state.frame * joints.length + joint;
      const known = Number.isFinite(xyz[3 * index]);
      const sure = confidence && known ? confidence[index] : null;
      const apart = measured.apart?.[joint][state.frame] ?? null;
      row.querySelector(".sure").hidden = !confidence;
      row.querySelector("b").style.width = `${100 * (sure ?? 0)}%`;
      row.title = sure === null ? "" : `confidence ${sure.toFixed(2)}`;
      row.querySelector("output").textContent = apart === null ? "" : apart.toFixed(0);
      row.classList.toggle("absent", !known);
    });
  }

  async function load(clip) {
    stop();
    scene = await openScene(data.scenes[clip]);
    Object.assign(state, { clip, frame: 0, picked: 0, joint: null });
    const many = scene.time.length > 1;
    at("slider").max = scene.time.length - 1;
    at("transport").hidden = !many;
    fill(at("person"), scene.people.map((person) => person.name));
    const { people, room, depthCamera } = scene;
    const compared = people[0].poses[1];
    const has = {
      cloud: people.some((person) => person.clouds), room, follow: many,
      rays: people.some((person) => person.keypoints), compared,
      cameras: depthCamera || people.some((person) => person.keypoints),
    };
    for (const box of root.querySelectorAll("[data-switch]")) {
      box.parentElement.hidden = !has[box.dataset.switch];
    }
    at("compared").textContent = compared?.name ?? "";
    const paints = ["side"];
    if (people[0].poses[0].confidence) paints.push("confidence");
    if (compared) paints.push(compared.name === "truth" ? "error" : "change");
    fill(at("paint"), paints);
    at("legend").textContent = compared
      ? `Joints: confidence, and ${paints.at(-1)} in mm` : "Joints and their confidence";
    state.paint = "side";
    picture.load(scene);
    space?.load(scene);
    state.frame = firstWithPose(scene);
    pick(0, null);
  }

  // Playing: the frame follows the clock.
  function tick(now) {
    if (!state.playing) return;
    const { time } = scene;
    const pace = Number(at("pace").value) / (scene.timed ? 1 : 0.1);
    clock ??= { start: now, from: time[state.frame] };
    const reached = clock.from + (pace * (now - clock.start)) / 1000;
    const frame = lastUpTo(time, reached);
    if (reached > time.at(-1) + 0.3) seek(0);
    else if (frame !== state.frame) {
      state.frame = frame;
      show();
    }
    requestAnimationFrame(tick);
  }

  function play() {
    state.playing = true;
    clock = null;
    root.classList.add("playing");
    at("play").setAttribute("aria-label", "Pause");
    if (state.frame === scene.time.length - 1) state.frame = 0;
    requestAnimationFrame(tick);
  }

  function stop() {
    state.playing = false;
    root.classList.remove("playing");
    at("play").setAttribute("aria-label", "Play");
  }

  fill(at("clip"), data.scenes.map((one) => one.name));
  at("clip").addEventListener("change", () => load(Number(at("clip").value)));
  at("person").addEventListener("change", () => pick(Number(at("person").value), null));
  at("paint").addEventListener("change", (event) => {
    const name = event.target.selectedOptions[0].textContent;
    state.paint = ["side", "confidence"].includes(name) ? name : "apart";
    show();
  });
  at("pace").addEventListener("change", () => { clock = null; });
  at("play").addEventListener("click", () => (state.playing ? stop() : play()));
  at("slider").addEventListener("input", (event) => seek(Number(event.target.value)));
  for (const box of root.querySelectorAll("[data-switch]")) {
    state.switches[box.dataset.switch] = box.checked;
    box.addEventListener("change", () => {
      state.switches[box.dataset.switch] = box.checked;
      show();
    });
  }
  for (const button of root.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => space?.take(button.dataset.view));
  }
  document.addEventListener("keydown", (event) => {
    if (/INPUT|SELECT|BUTTON|TEXTAREA/.test(event.target.tagName)) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key === " ") at("play").click();
    else if (event.key in steps) seek(state.frame + steps[event.key]);
    else return;
    event.preventDefault();
  });
  let pressed = null;
  at("space").addEventListener("pointerdown", ({ clientX, clientY }) => {
    pressed = [clientX, clientY];
  });
  at("space").addEventListener("pointerup", ({ clientX, clientY, target }) => {
    if (!space || target.tagName !== "CANVAS" || !pressed) return;
    if (Math.hypot(clientX - pressed[0], clientY - pressed[1]) > 4) return;
    const found = space.pick(clientX, clientY, state.frame);
    if (found) pick(found.person, found.joint);
    else if (state.joint !== null) pick(state.picked, null);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    space?.paint();
    pick(state.picked, state.joint);
  });
  await load(0);
  root.dataset.ready = "yes";
}

// The 3D view; null where the browser has no WebGL.
function openSpace(element) {
  if (document.createElement("canvas").getContext("webgl2")) return new Space(element);
  element.classList.add("failed");
  return null;
}

// Choices of a list by position; the list is hidden where there is one only.
function fill(list, names) {
  list.replaceChildren(...names.map((name, index) => new Option(name, index)));
  list.closest("label").hidden = names.length < 2;
}

function firstWithPose(scene) {
  const count = scene.people[0].joints.length;
  const first = scene.people[0].poses[0].xyz.findIndex(Number.isFinite);
  return first < 0 ? 0 : Math.floor(first / (3 * count));
}

for (const root of document.querySelectorAll(".viewer")) {
  startViewer(root, JSON.parse(root.querySelector("script[type='application/json']").textContent));
}
