import numpy as np

from data_pipelines.sequences import person_keypoints


def test_a_detection_is_of_the_nearest_body_within_its_size():
    # A diagonal of 50 pixels; the median is (15, 20).
    box = np.array([[0.0, 0.0, 1.0], [15.0, 20.0, 1.0], [30.0, 40.0, 1.0]])
    uv = np.array([[300.0, 20.0], [np.nan, np.nan], [55.0, 20.0]])
    assert person_keypoints._assign(uv, box[None]) == [(2, 0)]
    assert person_keypoints._assign(uv[:2], box[None]) == []
    both = np.stack([box, box + [280.0, 0.0, 0.0]])
    assert person_keypoints._assign(uv, both) == [(0, 1), (2, 0)]
