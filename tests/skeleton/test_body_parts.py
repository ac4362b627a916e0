from unipose_jax.skeleton import body_parts


def test_a_mirror_swaps_the_sides_and_nothing_else():
    for index, name in enumerate(body_parts.NAMES):
        other = body_parts.NAMES[body_parts.MIRROR[index]]
        swapped = (
            name.replace("left", "L").replace("right", "left").replace("L", "right")
        )
        assert other == swapped
        assert body_parts.MIRROR[body_parts.MIRROR[index]] == index


def test_labels_fit_a_byte_and_unknown_is_no_part():
    assert body_parts.COUNT == len(set(body_parts.NAMES)) < 128
    assert body_parts.NAMES[body_parts.NONE] == "none"
    assert body_parts.UNKNOWN < 0
