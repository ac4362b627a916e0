"""Live scenes of viser, https://viser.studio, in a browser."""

import bisect
import time
from collections.abc import Callable

import numpy as np
import viser
from viser import transforms, uplot

from unipose_jax.report.draw import palette
from unipose_jax.report.viewer import data
from unipose_jax.report.viewer import scene as scene_lib
from unipose_jax.skeleton import definitions

_BONE, _OTHER, _POINT = 0.02, 0.01, 0.006  # metres
_VIEW = np.array((-1.4, -0.5, -1.3))  # metres, from the people to the viewer
_FPS = 10.0  # of scenes without times
_GREY = (0.6, 0.6, 0.65)


def serve(scene: scene_lib.Scene, *, port: int = 8080) -> None:
    """Serves a scene on this machine, http://localhost:8080, until Ctrl-C.

    Args:
        scene: people in one recording.
        port: the next free one if it is taken.
    """
    server = viser.ViserServer(host="localhost", port=port, label="unipose_jax")
    try:
        play(server, scene)
    except KeyboardInterrupt:
        print("closed")
    finally:
        server.stop()


def play(
    server: viser.ViserServer, scene: scene_lib.Scene, *, stop: float = float("inf")
) -> None:
    """Puts a scene into a server, and plays it while its box is ticked.

    Args:
        server: of viser.
        scene: people in one recording.
        stop: seconds after which it returns.
    """
    show = build(server, scene)
    last = scene.num_frames - 1
    slider = server.gui.add_slider("frame", 0, max(last, 1), 1, 0)
    playing = server.gui.add_checkbox("play", True)
    slider.on_update(lambda _: show(min(slider.value, last)))
    show(0)
    seconds = np.arange(last + 1) / _FPS if scene.time is None else scene.time
    begun = time.monotonic()
    while time.monotonic() - begun < stop:
        now = min(slider.value, last)
        following = (now + 1) % (last + 1)
        step = seconds[following] - seconds[now]
        time.sleep(min(max(float(step), 1 / 60), 0.5))
        if playing.value and last:
            slider.value = following


def build(server: viser.ViserServer, scene: scene_lib.Scene) -> Callable[[int], None]:
    """Adds the parts that stay, and returns a function that shows a frame."""
    floor = scene.floor
    up = (0.0, -1.0, 0.0) if floor is None else floor[:3].astype(float)
    server.scene.set_up_direction(up)
    joints = np.concatenate([p.poses[0].xyz.reshape(-1, 3) for p in scene.people])
    joints = joints[np.isfinite(joints).all(axis=-1)]
    middle = np.median(joints, axis=0) if len(joints) else np.array((0.0, 0.0, 2.0))

    def look(client: viser.ClientHandle) -> None:
        client.camera.position = middle + _VIEW
        client.camera.look_at = middle

    server.on_client_connect(look)
    if scene.room is not None:
        _points(server, "room", scene.room)
    pictures = () if scene.pictures is None else data.pictures_rgb(scene)
    shown = list(scene.shown_frames)
    camera = scene.pictures.camera if scene.pictures else scene.depth_camera
    image = server.gui.add_image(pictures[0], label="picture") if pictures else None
    _add_confidence(server, scene)

    def show(frame: int) -> None:
        step = max(bisect.bisect_right(shown, frame) - 1, 0)  # the last one with points
        with server.atomic():
            for person in scene.people:
                _show_person(server, person, frame, step)
            picture = pictures[step] if pictures else None
            if image is not None and picture is not None:
                image.image = picture
            if camera is not None:
                _add_camera(server, camera, picture)

    return show


def _points(server: viser.ViserServer, name: str, cloud: scene_lib.Cloud) -> None:
    xyz, rgb = cloud.xyz.astype(np.float32), data.cloud_rgb(cloud)
    server.scene.add_point_cloud(name, xyz, rgb, point_size=_POINT)


def _show_person(
    server: viser.ViserServer,
    person: scene_lib.Person,
    frame: int,
    step: int,
) -> None:
    if person.clouds:
        _points(server, f"{person.name}/points", person.clouds[step])
    body = definitions.by_name(person.skeleton)
    colors = np.array(palette.bone_colors(body))
    for index, poses in enumerate(person.poses):
        ends = poses.xyz[frame][np.array(body.bones)]  # (bones, 2, 3)
        known = np.isfinite(ends).all(axis=(1, 2))
        ink = np.broadcast_to(_GREY, colors.shape) if index else colors
        ink = np.rint(255 * ink[known]).astype(np.uint8)[:, None].repeat(2, axis=1)
        server.scene.add_line_segments(
            f"{person.name}/{poses.name}",
            ends[known].astype(np.float32),
            ink,
            thickness=_OTHER if index else _BONE,
            visible=bool(known.any()),
        )


def _add_camera(
    server: viser.ViserServer, camera: scene_lib.Camera, picture: np.ndarray | None
) -> None:
    pose = np.linalg.inv(camera.cam_from_scene)
    server.scene.add_camera_frustum(
        "camera",
        fov=2.0 * float(np.arctan2(camera.height / 2, camera.intrinsics[1])),
        aspect=camera.width / camera.height,
        wxyz=transforms.SO3.from_matrix(pose[:3, :3]).wxyz,
        position=pose[:3, 3],
        scale=0.15,
        thickness=0.005,
        image=picture,
    )


def _add_confidence(server: viser.ViserServer, scene: scene_lib.Scene) -> None:
    """A chart of the mean confidence of each person over time."""
    means = {
        person.name: confidence.mean(axis=1).astype(float)
        for person in scene.people
        if (confidence := person.poses[0].confidence) is not None
    }
    if not means or scene.num_frames < 2:
        return
    start = None if scene.time is None else scene.time - scene.time[0]
    seconds = np.arange(scene.num_frames, dtype=float) if start is None else start
    colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]
    series = [
        uplot.Series(label=name, stroke=colors[index % len(colors)], width=2)
        for index, name in enumerate(means)
    ]
    server.gui.add_uplot(
        (seconds, *means.values()),
        (uplot.Series(label="frame" if start is None else "s"), *series),
        title="mean confidence of the joints",
        scales={"x": uplot.Scale(time=False), "y": uplot.Scale(range=(0, 1))},
        aspect=2.0,
    )
