// The 3D view: people, their clouds, rays and cameras.

const UP = new lib.Vector3(0, 1, 0);
const BONE = 0.011; // metres, radius
const JOINT = 0.022;

class Skeleton {
  constructor(parent, joints, bones, { slim }) {
    const look = slim ? { transparent: true, opacity: 0.75 } : {};
    const material = () => new lib.MeshLambertMaterial(look);
    this.size = slim ? 0.55 : 1;
    this.bones = bones;
    this.sticks = new lib.InstancedMesh(
      new lib.CylinderGeometry(1, 1, 1, 12), material(), bones.length);
    this.balls = new lib.InstancedMesh(
      new lib.SphereGeometry(1, 20, 14), material(), joints);
    for (const mesh of [this.sticks, this.balls]) {
      mesh.frustumCulled = false;
      parent.add(mesh);
    }
  }

  set visible(on) {
    this.sticks.visible = this.balls.visible = on;
  }

  // `points`: place of each joint; `colors` and `sizes` of joints, `boneColors`.
  update(points, colors, sizes, boneColors) {
    const [matrix, turn] = [new lib.Matrix4(), new lib.Quaternion()];
    const vectors = points.map((point) => new lib.Vector3(...point));
    const known = points.map((point) => Number.isFinite(point[0]));
    vectors.forEach((place, joint) => {
      const radius = known[joint] ? JOINT * this.size * sizes[joint] : 0;
      matrix.compose(known[joint] ? place : UP, turn.identity(),
        new lib.Vector3(radius, radius, radius));
      this.balls.setMatrixAt(joint, matrix);
      this.balls.setColorAt(joint, colors[joint]);
    });
    this.bones.forEach(([child, parent], bone) => {
      const drawn = known[child] && known[parent];
      const along = drawn
        ? vectors[child].clone().sub(vectors[parent]) : new lib.Vector3(0, 0, 0);
      const length = along.length();
      const radius = drawn ? BONE * this.size : 0;
      turn.setFromUnitVectors(UP, length > 0 ? along.divideScalar(length) : UP);
      const middle = drawn
        ? vectors[child].clone().add(vectors[parent]).multiplyScalar(0.5) : UP;
      matrix.compose(middle, turn, new lib.Vector3(radius, length, radius));
      this.sticks.setMatrixAt(bone, matrix);
      this.sticks.setColorAt(bone, boneColors[bone]);
    });
    for (const mesh of [this.sticks, this.balls]) {
      mesh.instanceMatrix.needsUpdate = true;
      mesh.instanceColor.needsUpdate = true;
    }
  }
}

function cloudPoints(arrays, size) {
  const geometry = new lib.BufferGeometry();
  geometry.setAttribute("position", new lib.BufferAttribute(arrays.xyz, 3));
  geometry.setAttribute("color", new lib.BufferAttribute(arrays.rgb, 3, true));
  const material = new lib.PointsMaterial({ size, vertexColors: true });
  const points = new lib.Points(geometry, material);
  points.frustumCulled = false;
  return points;
}

function lines(corners, material) {
  const geometry = new lib.BufferGeometry();
  geometry.setAttribute("position", new lib.BufferAttribute(new Float32Array(corners), 3));
  const segments = new lib.LineSegments(geometry, material);
  segments.frustumCulled = false;
  return segments;
}

function frustumCorners(camera, depth) {
  const centre = sceneFromCam([0, 0, 0], camera);
  const { width, height } = camera;
  const around = [[0, 0], [width, 0], [width, height], [0, height]]
    .map((pixel) => pixelAt(pixel, depth, camera));
  return around.flatMap((corner, i) => [
    ...centre, ...corner, ...corner, ...around[(i + 1) % 4]]);
}

// Rotation from the scene's axes to those of the view: floor level, camera looking to -z.
function upright(floor) {
  const up = floor ? new lib.Vector3(...floor.slice(0, 3)) : new lib.Vector3(0, -1, 0);
  const level = new lib.Quaternion().setFromUnitVectors(up.normalize(), UP);
  const ahead = new lib.Vector3(0, 0, 1).applyQuaternion(level);
  const yaw = Math.atan2(ahead.x, -ahead.z);
  return new lib.Quaternion().setFromAxisAngle(UP, yaw).multiply(level);
}

class Space {
  constructor(element) {
    lib.ColorManagement.enabled = false;
    this.element = element;
    this.renderer = new lib.WebGLRenderer({ antialias: true });
    this.renderer.outputColorSpace = lib.LinearSRGBColorSpace;
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    element.prepend(this.renderer.domElement);
    this.stage = new lib.Scene();
    this.stage.add(new lib.HemisphereLight(0xffffff, 0x8a8a94, 2.2));
    const sun = new lib.DirectionalLight(0xffffff, 1.4);
    sun.position.set(1, 3, 2);
    this.stage.add(sun);
    this.camera = new lib.PerspectiveCamera(38, 1, 0.03, 100);
    this.controls = new lib.OrbitControls(this.camera, this.renderer.domElement);
    this.controls.enableDamping = false;
    this.controls.addEventListener("change", () => this.render());
    new ResizeObserver(() => this.resize()).observe(element);
    this.paint();
  }

  paint() {
    const style = getComputedStyle(this.element);
    const color = (name) => new lib.Color(style.getPropertyValue(name).trim());
    this.colors = {
      ground: color("--space"), left: color("--left"), right: color("--right"),
      middle: color("--middle"), other: color("--other"), ray: color("--ray"),
      frame: color("--faint"), accent: color("--picked"), grid: color("--grid"),
      bad: color("--bad"), good: color("--good"),
    };
    this.stage.background = this.colors.ground;
    this.rayMaterial?.color.copy(this.colors.ray);
    this.frameMaterial?.color.copy(this.colors.frame);
    this.grid?.material.color.copy(this.colors.grid);
    this.render();
  }

  load(scene) {
    this.world?.traverse((part) => {
      part.geometry?.dispose();
      part.material?.dispose();
    });
    if (this.world) this.stage.remove(this.world);
    this.scene = scene;
    this.world = new lib.Group();
    this.world.quaternion.copy(upright(scene.floor));
    this.stage.add(this.world);
    this.rayMaterial = new lib.LineBasicMaterial({
      color: this.colors.ray, transparent: true, opacity: 0.8 });
    this.frameMaterial = new lib.LineBasicMaterial({ color: this.colors.frame });
    this.room = scene.room && cloudPoints(scene.room, 0.022);
    if (this.room) this.world.add(this.room);
    this.people = scene.people.map((person) => this.addPerson(person));
    this.cameras = this.addCameras(scene);
    this.bounds = this.findBounds(scene);
    this.addGrid(scene);
    this.take("start");
  }

  addPerson(person) {
    const bodies = person.poses.map((_, layer) => new Skeleton(
      this.world, person.joints.length, person.bones, { slim: layer > 0 }));
    const cloud = person.clouds && cloudPoints(person.clouds, 0.016);
    if (cloud) this.world.add(cloud);
    const rays = person.keypoints
      && lines(new Array(6 * person.joints.length).fill(0), this.rayMaterial);
    if (rays) this.world.add(rays);
    return { person, bodies, cloud, rays };
  }

  addCameras(scene) {
    const group = new lib.Group();
    const seen = new Set();
    const all = [scene.depthCamera, ...scene.people.map((p) => p.keypoints?.camera)];
    for (const camera of all.filter(Boolean)) {
      const key = JSON.stringify(camera);
      if (!seen.has(key)) group.add(lines(frustumCorners(camera, 0.3), this.frameMaterial));
      seen.add(key);
    }
    this.world.add(group);
    return group;
  }

  // Centre and size of where the people are, in the axes of the view.
  findBounds(scene) {
    const places = [];
    for (const { poses: [{ xyz }] } of scene.people) {
      const step = 3 * Math.max(1, Math.floor(xyz.length / 30000));
      for (let i = 0; i < xyz.length; i += step) {
        if (Number.isFinite(xyz[i])) {
          const place = new lib.Vector3(xyz[i], xyz[i + 1], xyz[i + 2]);
          places.push(place.applyQuaternion(this.world.quaternion));
        }
      }
    }
    if (!places.length) return { centre: new lib.Vector3(0, 0, -2.5), size: 2, low: -1 };
    const range = (axis) => {
      const sorted = places.map((place) => place[axis]).sort((a, b) => a - b);
      const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
      return [at(0.01), at(0.99)];
    };
    const [x, y, z] = ["x", "y", "z"].map(range);
    const middle = ([low, high]) => (low + high) / 2;
    return {
      centre: new lib.Vector3(middle(x), middle(y), middle(z)),
      size: Math.max(y[1] - y[0], 0.8 * (x[1] - x[0]), 0.6 * (z[1] - z[0]), 0.8),
      low: y[0] - 0.05,
    };
  }

  addGrid(scene) {
    const { centre, low } = this.bounds;
    this.grid = new lib.GridHelper(6, 12);
    this.grid.material.vertexColors = false;
    this.grid.material.color.copy(this.colors.grid);
    this.grid.material.transparent = true;
    this.grid.material.opacity = scene.room ? 0.45 : 1;
    const height = scene.floor ? -scene.floor[3] : low;
    this.grid.position.set(
      Math.round(2 * centre.x) / 2, height, Math.round(2 * centre.z) / 2);
    this.holder?.removeFromParent();
    this.holder = new lib.Group().add(this.grid);
    this.stage.add(this.holder);
  }

  // Views of the scene by name.
  take(name) {
    const { centre, size } = this.bounds;
    const narrow = Math.max(1, 0.95 / this.camera.aspect);
    const away = narrow * (0.75 * size) / Math.tan((this.camera.fov * Math.PI) / 360) + 0.5;
    const from = {
      start: [0.55, 0.28, 1], front: [0, 0.04, 1], side: [1, 0.08, 0.02],
      top: [0, 1, 0.02], back: [0, 0.15, -1],
    }[name];
    this.controls.target.copy(centre);
    this.camera.position.copy(
      new lib.Vector3(...from).normalize().multiplyScalar(away).add(centre));
    this.followed = null;
    this.controls.update();
    this.render();
  }

  show(frame, { picked, joint, switches, paint }) {
    const step = lastUpTo(this.scene.shown, frame);
    this.people.forEach(({ person, bodies, cloud, rays }, index) => {
      const count = person.joints.length;
      bodies.forEach((body, layer) => {
        body.visible = layer === 0 || switches.compared;
        const poses = person.poses[layer];
        const points = person.joints.map((_, j) => pointAt(poses.xyz, frame * count + j));
        const look = this.look(person, layer, frame, paint);
        if (joint !== null && index === picked) {
          look.colors[joint] = this.colors.accent;
          look.sizes[joint] *= 1.7;
        }
        body.update(points, look.colors, look.sizes, look.boneColors);
      });
      if (cloud) {
        const [first, next] = [person.clouds.start[step], person.clouds.start[step + 1]];
        cloud.geometry.setDrawRange(first, next - first);
        cloud.visible = switches.cloud;
      }
      if (rays) {
        rays.visible = switches.rays;
        this.moveRays(rays, person, frame);
      }
    });
    if (this.room) this.room.visible = switches.room;
    this.cameras.visible = switches.cameras;
    if (switches.follow) this.follow(picked, frame);
    else this.followed = null;
    this.render();
  }

  look(person, layer, frame, paint) {
    const count = person.joints.length;
    const { confidence } = person.poses[layer];
    const values = person.joints.map((_, j) => {
      if (paint === "confidence") return confidence ? confidence[frame * count + j] : null;
      if (paint !== "apart" || !person.measured.apart) return null;
      const apart = person.measured.apart[j][frame];
      return apart === null ? null : 1 - Math.min(apart / 150, 1);
    });
    const colors = person.joints.map((_, j) => {
      if (layer > 0) return this.colors.other;
      if (paint === "side") return this.colors[person.sides[j]];
      return values[j] === null ? this.colors.middle
        : this.colors.bad.clone().lerp(this.colors.good, values[j]);
    });
    const sizes = person.joints.map((_, j) => {
      const sure = confidence ? confidence[frame * count + j] : 1;
      return 0.45 + 0.55 * Math.min(Math.max(sure, 0), 1);
    });
    const boneColors = person.bones.map(([child, parent]) =>
      person.sides[child] === "middle" ? colors[parent] : colors[child]);
    return { colors, sizes, boneColors };
  }

  moveRays(rays, person, frame) {
    const { uv, confidence, camera } = person.keypoints;
    const count = person.joints.length;
    const centre = sceneFromCam([0, 0, 0], camera);
    const ends = rays.geometry.attributes.position;
    const { xyz } = person.poses[0];
    for (let j = 0; j < count; j += 1) {
      const at = frame * count + j;
      const pixel = [uv[2 * at], uv[2 * at + 1]];
      const drawn = Number.isFinite(pixel[0]) && confidence[at] > 0;
      const far = Number.isFinite(xyz[3 * at]) ? distance(pointAt(xyz, at), centre) + 0.25 : 3;
      const end = drawn ? pixelAt(pixel, far, camera) : centre;
      ends.setXYZ(2 * j, ...centre);
      ends.setXYZ(2 * j + 1, ...end);
    }
    ends.needsUpdate = true;
  }

  // Moves the view along with the middle of a person.
  follow(index, frame) {
    const { person } = this.people[index];
    const count = person.joints.length;
    const places = person.joints
      .map((_, j) => pointAt(person.poses[0].xyz, frame * count + j))
      .filter((place) => Number.isFinite(place[0]));
    if (!places.length) return;
    const middle = new lib.Vector3(...[0, 1, 2].map((axis) =>
      places.reduce((sum, place) => sum + place[axis], 0) / places.length));
    middle.applyQuaternion(this.world.quaternion);
    const shift = middle.clone().sub(this.followed ?? this.controls.target);
    this.camera.position.add(shift);
    this.controls.target.add(shift);
    this.followed = middle;
    this.controls.update();
  }

  // The person and joint that appear near a place of the window; null without.
  pick(x, y, frame) {
    const box = this.renderer.domElement.getBoundingClientRect();
    let [best, found] = [20, null];
    this.people.forEach(({ person }, index) => {
      const count = person.joints.length;
      person.joints.forEach((_, joint) => {
        const place = new lib.Vector3(...pointAt(person.poses[0].xyz, frame * count + joint));
        place.applyQuaternion(this.world.quaternion).project(this.camera);
        const right = box.left + ((place.x + 1) / 2) * box.width;
        const down = box.top + ((1 - place.y) / 2) * box.height;
        const off = Math.hypot(right - x, down - y);
        if (off < best) [best, found] = [off, { person: index, joint }];
      });
    });
    return found;
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height) return;
    this.renderer.setSize(width, height);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.render();
  }

  render() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.renderer.render(this.stage, this.camera);
    });
  }
}
