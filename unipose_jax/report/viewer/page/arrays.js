// Arrays of the page's data; see unipose_jax/report/viewer/data.py.

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

// Float32Array with NaN where a value is missing.
async function floats(packed) {
  if (!packed) return null;
  const counts = new Int16Array(await inflate(packed.data));
  return Float32Array.from(counts, (n) => (n === -32768 ? NaN : n * packed.step));
}

async function cloudArrays(packed) {
  if (!packed) return null;
  return {
    start: packed.start,
    xyz: await floats(packed.xyz),
    rgb: new Uint8Array(await inflate(packed.rgb)),
  };
}

async function openPerson(packed) {
  const poses = await Promise.all(packed.poses.map(async (one) => ({
    name: one.name,
    xyz: await floats(one.xyz),
    confidence: await floats(one.confidence),
  })));
  const found = packed.keypoints;
  const keypoints = found && {
    uv: await floats(found.uv),
    confidence: await floats(found.confidence),
    camera: found.camera,
  };
  return {
    ...packed,
    poses,
    keypoints,
    quality: await floats(packed.quality),
    clouds: await cloudArrays(packed.clouds),
  };
}

// A scene with its arrays unpacked, and what the charts show of it.
async function openScene(packed) {
  const people = await Promise.all(packed.people.map(openPerson));
  for (const person of people) person.measured = measure(person, packed.time);
  return { ...packed, people, room: await cloudArrays(packed.room) };
}

function pointAt(xyz, index) {
  return [xyz[3 * index], xyz[3 * index + 1], xyz[3 * index + 2]];
}

function distance(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

// Speeds (m/s) of joints, lengths (cm) of bones, and distances (mm) between the first
// two sets of poses, each an array of frames by joints or bones.
function measure(person, time) {
  const frames = time.length;
  const joints = person.joints.length;
  const at = (poses, frame, joint) => pointAt(poses.xyz, frame * joints + joint);
  const table = (count, value) => Array.from({ length: count }, (_, column) =>
    Array.from({ length: frames }, (_, frame) => {
      const number = value(frame, column);
      return Number.isFinite(number) ? number : null;
    }));
  const speed = (poses) => table(joints, (frame, joint) => {
    const [before, after] = [Math.max(frame - 1, 0), Math.min(frame + 1, frames - 1)];
    const moved = distance(at(poses, before, joint), at(poses, after, joint));
    return moved / (time[after] - time[before]);
  });
  const lengths = (poses) => table(person.bones.length, (frame, bone) => {
    const [child, parent] = person.bones[bone];
    return 100 * distance(at(poses, frame, child), at(poses, frame, parent));
  });
  const [first, second] = person.poses;
  return {
    speed: person.poses.map(speed),
    lengths: person.poses.map(lengths),
    apart: second && table(joints, (frame, joint) =>
      1000 * distance(at(first, frame, joint), at(second, frame, joint))),
  };
}

// Place of a point of the scene in the pixels of a camera; null behind it.
function project([x, y, z], camera) {
  const m = camera.fromScene;
  const [a, b, c] = m.slice(0, 3).map((row) => row[0] * x + row[1] * y + row[2] * z + row[3]);
  const [fx, fy, cx, cy] = camera.intrinsics;
  return c > 0.01 ? [(fx * a) / c + cx, (fy * b) / c + cy] : null;
}

// Centre of a camera, and the point that a pixel shows at a depth, in the scene's frame.
function sceneFromCam([x, y, z], camera) {
  const m = camera.fromScene;
  const v = [x - m[0][3], y - m[1][3], z - m[2][3]];
  return [0, 1, 2].map((i) => m[0][i] * v[0] + m[1][i] * v[1] + m[2][i] * v[2]);
}

function pixelAt([u, v], depth, camera) {
  const [fx, fy, cx, cy] = camera.intrinsics;
  return sceneFromCam([((u - cx) / fx) * depth, ((v - cy) / fy) * depth, depth], camera);
}

// Index of the last of some increasing numbers that is not above a value.
function lastUpTo(numbers, value) {
  let low = 0;
  let high = numbers.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (numbers[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
