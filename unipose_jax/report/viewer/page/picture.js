// The picture of a frame with the poses and keypoints over it.

class Picture {
  constructor(element) {
    this.element = element;
    this.image = element.querySelector("img");
    this.canvas = element.querySelector("canvas");
    this.caption = element.querySelector("figcaption");
    new ResizeObserver(() => this.again?.()).observe(element);
  }

  load(scene) {
    this.scene = scene;
    this.element.hidden = !scene.pictures;
    if (!scene.pictures) return;
    const { width, height } = scene.pictures.camera;
    const sheet = this.image.parentElement;
    sheet.style.aspectRatio = `${width} / ${height}`;
    sheet.style.maxWidth = `calc(42vh * ${width / height})`;
  }

  show(frame, { picked, joint, switches }) {
    const { pictures, shown, people, numbers } = this.scene;
    if (!pictures) return;
    const step = lastUpTo(shown, frame);
    this.image.src = `data:image/webp;base64,${pictures.files[step]}`;
    const late = shown[step] === frame ? "" : ` (nearest picture: frame ${numbers[shown[step]]})`;
    this.caption.textContent = `${people[0].poses[0].name}, over the ${pictures.kind} picture${late}`;
    this.again = () => {
      const draw = this.context(pictures.camera);
      people.forEach((person, index) => {
        if (switches.compared && person.poses[1]) this.drawPose(draw, person, 1, shown[step]);
        if (switches.rays) this.drawKeypoints(draw, person, shown[step]);
        this.drawPose(draw, person, 0, shown[step], index === picked ? joint : null);
      });
    };
    this.again();
  }

  // A drawing context in the pixels of the picture's camera.
  context(camera) {
    const { clientWidth: width, clientHeight: height } = this.image.parentElement;
    const ratio = window.devicePixelRatio;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const draw = this.canvas.getContext("2d");
    draw.lineCap = draw.lineJoin = "round";
    const scale = this.canvas.width / camera.width;
    draw.place = (point) => point && [point[0] * scale, point[1] * scale];
    draw.unit = ratio * Math.min(1.2, Math.max(0.7, width / 480));
    draw.colors = getComputedStyle(this.element);
    return draw;
  }

  drawPose(draw, person, layer, frame, joint = null) {
    const { xyz, confidence } = person.poses[layer];
    const count = person.joints.length;
    const { camera } = this.scene.pictures;
    const places = person.joints.map((_, j) => {
      const point = pointAt(xyz, frame * count + j);
      return Number.isFinite(point[0]) ? draw.place(project(point, camera)) : null;
    });
    const color = (side) => draw.colors.getPropertyValue(layer ? "--other" : `--${side}-over`);
    const sure = (j) => (confidence ? confidence[frame * count + j] : 1);
    for (const [child, parent] of person.bones) {
      if (!places[child] || !places[parent]) continue;
      const side = person.sides[child] === "middle" ? person.sides[parent] : person.sides[child];
      draw.globalAlpha = 0.35 + 0.65 * Math.min(sure(child), sure(parent));
      for (const [style, wide] of [["#0008", 4.5], [color(side), layer ? 1.8 : 2.6]]) {
        draw.strokeStyle = style;
        draw.lineWidth = wide * draw.unit;
        draw.beginPath();
        draw.moveTo(...places[child]);
        draw.lineTo(...places[parent]);
        draw.stroke();
      }
    }
    places.forEach((place, j) => {
      if (!place || layer) return;
      draw.globalAlpha = 0.35 + 0.65 * sure(j);
      this.dot(draw, place, j === joint ? 6 : 3.2, color(person.sides[j]));
      if (j === joint) this.ring(draw, place, 9, draw.colors.getPropertyValue("--picked"));
    });
    draw.globalAlpha = 1;
  }

  drawKeypoints(draw, person, frame) {
    if (!person.keypoints) return;
    const { uv, confidence, camera } = person.keypoints;
    const count = person.joints.length;
    for (let j = 0; j < count; j += 1) {
      const at = frame * count + j;
      if (!(confidence[at] > 0) || !Number.isFinite(uv[2 * at])) continue;
      const far = distance(pointAt(person.poses[0].xyz, at), sceneFromCam([0, 0, 0], camera));
      const point = pixelAt([uv[2 * at], uv[2 * at + 1]], far || 3, camera);
      const place = draw.place(project(point, this.scene.pictures.camera));
      if (place) this.ring(draw, place, 5.5, draw.colors.getPropertyValue("--ray-over"));
    }
  }

  dot(draw, place, radius, color) {
    draw.beginPath();
    draw.arc(...place, radius * draw.unit, 0, 7);
    draw.fillStyle = color;
    draw.strokeStyle = "#000a";
    draw.lineWidth = draw.unit;
    draw.fill();
    draw.stroke();
  }

  ring(draw, place, radius, color) {
    draw.beginPath();
    draw.arc(...place, radius * draw.unit, 0, 7);
    draw.strokeStyle = color;
    draw.lineWidth = 1.6 * draw.unit;
    draw.stroke();
  }
}
