"""CMU Panoptic's real samples: consistency of ten Kinects, three views and one pose.

The samples are images of one moment; the fixtures write them in the original layout. No
recording has both Kinect images and poses. So the pose of the cellist is triangulated
from keypoints marked by hand, and the poses of the band are combined with the Kinect
calibration of half a year later.
"""

import json
import types

import cv2
import numpy as np
import pytest
from scipy import spatial

from data_pipelines.readers.panoptic import data_set as cmu_panoptic
from tests import config_data
from unipose_jax import skeleton as skeletons
from unipose_jax.geometry import camera as pinhole

CELLO, BAND = "171026_cello3", "160906_band1"
MARKED = (0, 2, 4)  # views of the cellist with keypoints
# Pairs of neighbouring Kinects: five below, five above and between them.
NEIGHBOURS = [
    (0, 5),
    (0, 6),
    (1, 6),
    (1, 7),
    (2, 7),
    (2, 8),
    (3, 8),
    (3, 9),
    (4, 5),
    (4, 9),
]


def settings():
    data = {
        "name": "cmu_panoptic",
        "variant": "",
        "keypoints": "",
        "check_counts": True,
        "skip_corrupt": False,
    }
    return config_data.typed(data)


def moved(xyz, transform):
    return xyz @ transform[:3, :3].T + transform[:3, 3]


def points(seen, index=0):
    """The point cloud of a frame, world frame, metres."""
    depth = seen.depth(index)
    xyz = np.concatenate([seen.rays * depth[..., None], depth[..., None]], axis=-1)
    return moved(xyz[depth > 0], seen.world_from_depth[index])


def distance(xyz, cloud):
    return spatial.cKDTree(cloud).query(xyz)[0]


def write_poses(folder, bodies):
    (folder / "hdPose3d_stage1_coco19").mkdir()
    path = folder / "hdPose3d_stage1_coco19" / "body3DScene_00000000.json"
    path.write_text(json.dumps({"univTime": 1000.0, "bodies": bodies}))


def write_tables(folder, stamps):
    nodes = {f"KINECTNODE{n}": {"univ_time": stamps} for n in range(1, 11)}
    table = {"kinect": {"depth": nodes, "color": nodes}}
    (folder / f"ksynctables_{folder.name}.json").write_text(json.dumps(table))


def read_marks(path):
    """Pixels of the marked keypoints, by joint of PANOPTIC19 and view."""
    content, skeleton = json.loads(path.read_text()), skeletons.by_name("PANOPTIC19")
    sides, marks = {"r": "right_", "l": "left_"}, {}
    for view in MARKED:
        values = content["views"][str(view)]
        for name, mark in zip(content["names"], values, strict=True):
            full = name if name == "neck" else sides.get(name[0], "") + name[1:]
            if mark and full in skeleton.joints:
                marks[skeleton.index(full), view] = mark
    return marks


def ray_of(mark, sensor):
    """Origin and direction of a ray in the world frame of the sensors."""
    pose = np.linalg.inv(np.array(sensor["M_color"]) @ sensor["M_world2sensor"])
    matrix, lens = np.array(sensor["K_color"]), np.ravel(sensor["distCoeffs_color"])
    xy = cv2.undistortPoints(np.array(mark), matrix, lens).ravel()
    ray = pose[:3, :3] @ [*xy, 1.0]
    return pose[:3, 3], ray / np.linalg.norm(ray)


def meeting_point(rays):
    """The least-squares intersection of rays, metres."""
    across = [np.eye(3) - np.outer(ray, ray) for _, ray in rays]
    places = [a @ place for a, (place, _) in zip(across, rays, strict=True)]
    return np.linalg.solve(sum(across), sum(places))


@pytest.fixture(scope="module")
def cello(sample_data, tmp_path_factory):
    """The real cellist in the original layout, with marked keypoints in three views.

    The world frame is that of the sensors. The pose is triangulated from the marks.
    """
    source = sample_data / "panoptic" / CELLO
    folder = tmp_path_factory.mktemp("real") / CELLO
    folder.mkdir()
    kinects = json.loads((source / f"kcalibration_{CELLO}.json").read_text())["sensors"]
    (folder / f"kcalibration_{CELLO}.json").symlink_to(
        source / f"kcalibration_{CELLO}.json"
    )
    cameras = []
    for view, sensor in enumerate(kinects):
        pose = np.array(sensor["M_color"]) @ sensor["M_world2sensor"]
        turn, shift = pose[:3, :3].tolist(), (100 * pose[:3, 3]).tolist()
        cameras.append({"name": f"50_{view + 1:02d}", "R": turn, "t": shift})
        depth = folder / "kinect_shared_depth" / f"KINECTNODE{view + 1}"
        depth.mkdir(parents=True)
        counts = cv2.imread(str(source / f"depth_{view:05d}.png"), cv2.IMREAD_UNCHANGED)
        (depth / "depthdata.dat").write_bytes(counts[:, ::-1].tobytes())
        color = folder / "kinectImgs" / f"50_{view + 1:02d}"
        color.mkdir(parents=True)
        # OpenCV detects the format by content, not by name.
        (color / f"50_{view + 1:02d}_00000001.jpg").symlink_to(
            source / f"color_{view:05d}.png"
        )
    (folder / f"calibration_{CELLO}.json").write_text(json.dumps({"cameras": cameras}))
    write_tables(folder, [1000.0])
    marks = read_marks(source / "keypoints_2d_views_0_2_4.json")
    rays = {key: ray_of(mark, kinects[key[1]]) for key, mark in marks.items()}
    joints = np.full((19, 4), -1.0)
    for joint in range(19):
        met = [ray for (j, _), ray in rays.items() if j == joint]
        if len(met) > 1:
            joints[joint] = [*(100 * meeting_point(met)), 0.9]
    write_poses(folder, [{"id": 0, "joints19": joints.ravel().tolist()}])
    data_set = cmu_panoptic.open_data_set(folder, settings())
    views = data_set.sequences[cmu_panoptic.split_of(CELLO)]
    return types.SimpleNamespace(views=views, marks=marks, rays=rays)


@pytest.fixture(scope="module")
def cellist(cello):
    """Points of each Kinect within 20 cm of a joint, world frame."""
    clouds = []
    for seen in cello.views:
        pose, cloud = seen.joints(), points(seen)
        joints = moved(pose.xyz[0], seen.world_from_depth[0])[pose.valid[0]]
        low, high = joints.min(axis=0) - 0.2, joints.max(axis=0) + 0.2
        cloud = cloud[((cloud > low) & (cloud < high)).all(axis=1)]
        clouds.append(cloud[distance(cloud, joints) < 0.2])
    return clouds


@pytest.mark.parametrize(("a", "b"), NEIGHBOURS)
def test_clouds_of_real_neighbouring_kinects_match(cellist, a, b):
    clouds = cellist[a], cellist[b]
    # Measured: 8 to 17 mm; with mirrored images 30 to 250 mm.
    assert len(clouds[0]) > 4000
    assert np.median(distance(*clouds)) < 0.02
    assert np.median(distance(*clouds[::-1])) < 0.02


@pytest.mark.parametrize("view", MARKED)
def test_the_projected_pose_matches_real_marks(cello, view):
    uv = cello.views[view].keypoint_detections().by_frame[0][0, :, :2] - 0.5
    marks = {j: uv for (j, v), uv in cello.marks.items() if v == view}
    away = [np.linalg.norm(uv[j] - mark) for j, mark in marks.items()]
    away = np.array(away)[np.isfinite(away)]
    # Measured: 3.5, 3.7 and 2.4 px; the marks are accurate to 5 px.
    assert len(away) >= 5
    assert np.median(away) < 5


@pytest.mark.parametrize("view", MARKED)
def test_rays_of_real_marks_hit_the_surface(cello, view):
    seen = cello.views[view]
    place = (seen.world_from_depth[0] @ np.linalg.inv(seen.color_from_depth))[:3, 3]
    away = points(seen) - place
    rays = [ray for (_, v), (_, ray) in cello.rays.items() if v == view]
    gaps = [np.linalg.norm(np.cross(away, ray), axis=1).min() for ray in rays]
    # Measured: 2.7, 2.3 and 3.5 mm; depth pixels are 7 mm apart.
    assert np.median(gaps) < 0.004


def edge_gain(seen, color_from_depth):
    """Contrast of the colour image at depth edges, relative to its mean contrast."""
    depth, gray = seen.depth(0), cv2.cvtColor(seen.color(0), cv2.COLOR_RGB2GRAY)
    gray = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 2)
    contrast = np.hypot(cv2.Sobel(gray, -1, 1, 0), cv2.Sobel(gray, -1, 0, 1))
    contrast = np.minimum(contrast, np.quantile(contrast, 0.98))
    beyond = cv2.dilate(depth, np.ones((3, 3))) - depth
    edge = (depth > 0.5) & (depth < 4.5) & (beyond > 0.15)
    xyz = np.concatenate([seen.rays * depth[..., None], depth[..., None]], -1)[edge]
    camera, xyz = seen.color_camera, moved(xyz, color_from_depth)
    uv = pinhole.distort(xyz[:, :2] / xyz[:, 2:], camera.distortion)
    u, v = np.floor(uv * camera.intrinsics[:2] + camera.intrinsics[2:]).astype(int).T
    inside = (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
    return contrast[v[inside], u[inside]].mean() / contrast.mean()


def test_real_depth_edges_match_color_edges(cello):
    gains = [
        edge_gain(cello.views[view], cello.views[view].color_from_depth)
        for view in MARKED
    ]
    half_turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    others = [
        edge_gain(
            cello.views[view],
            np.linalg.inv(half_turn @ cello.views[view].color_from_depth @ half_turn),
        )
        for view in MARKED
    ]
    # Measured: 5.8, 5.1, 5.4; with the inverse of M_color 4.1, 4.0, 2.8.
    assert min(gains) > 5
    assert max(others) < 4.2


def test_real_poses_are_in_metres_in_front_of_the_kinects(sample_data, tmp_path):
    # Calibration and poses are of different years, enough to check units and axes.
    source, folder = sample_data / "panoptic", tmp_path / BAND
    folder.mkdir()
    for name in (f"calibration_{BAND}.json", "hdPose3d_stage1_coco19"):
        (folder / name).symlink_to(source / BAND / name)
    (folder / f"kcalibration_{BAND}.json").symlink_to(
        source / CELLO / f"kcalibration_{CELLO}.json"
    )
    for node in range(1, 11):
        depth = folder / "kinect_shared_depth" / f"KINECTNODE{node}"
        depth.mkdir(parents=True)
        (depth / "depthdata.dat").write_bytes(bytes(2 * 2 * 512 * 424))
    write_tables(folder, [47_896.621 + 5, 47_929.977 + 5])
    data_set = cmu_panoptic.open_data_set(folder, settings())
    found = data_set.sequences[cmu_panoptic.split_of(BAND)]
    assert len(found) == 3 * 10
    skeleton = skeletons.by_name("PANOPTIC19")
    for seen in found:
        pose = seen.joints()
        assert len(pose) == 2
        assert pose.valid.mean() > 0.8
        assert 0.8 < np.nanmin(pose.xyz[..., 2])
        assert np.nanmax(pose.xyz[..., 2]) < 4.5
        for side in ("left", "right"):
            ends = [skeleton.index(f"{side}_{name}") for name in ("knee", "ankle")]
            shank = np.linalg.norm(np.diff(pose.xyz[:, ends], axis=1), axis=-1)
            assert (np.abs(shank[np.isfinite(shank)] - 0.42) < 0.08).all()
        shares = [p[0, :, 2] > 0 for p in seen.keypoint_detections().by_frame.values()]
        assert np.mean(shares) > 0.8
