import numpy as np
import pytest
from making import make_two_domains
from test_pack import make_packed

from headrace.errors import HeadraceError
from headrace.mask import LossMask, loss_mask, range_edges
from headrace.sampler import Sampler

NOTHING = np.empty(0, dtype=np.intp)


def masked(stretches, edges=None, tokens=range(10, 18), starts=NOTHING, bos=None):
    edges = None if edges is None else np.array(edges)
    return loss_mask(np.array(tokens), np.array(stretches), starts, bos, edges).astype(int).tolist()


def test_the_first_token_and_padding_are_never_targets():
    assert masked([(100, 8)]) == [0, 1, 1, 1, 1, 1, 1, 1]
    assert masked([(100, 3), (7, 2)]) == [0, 1, 1, 1, 1, 0, 0, 0]


def test_ranges_are_masked_where_they_fall_in_whichever_stretch():
    assert masked([(100, 8)], [102, 104, 104, 105]) == [0, 1, 0, 0, 0, 1, 1, 1]
    assert masked([(100, 4), (0, 4)], [1, 2, 103, 200]) == [0, 1, 1, 0, 1, 0, 1, 1]


def test_document_starts_and_bos_are_masked_where_asked_for():
    assert masked([(0, 8)], starts=np.array([3, 6])) == [0, 1, 1, 0, 1, 1, 0, 1]
    assert masked([(0, 8)], bos=12, tokens=[12, 1, 12, 3, 4, 5, 6, 12]) == [0, 1, 0, 1, 1, 1, 1, 0]


def test_a_sampler_masks_what_its_mask_says(tmp_path):
    run, shards, _ = make_two_domains(tmp_path)
    with Sampler(run, shards, mask=LossMask(within_documents=True, ranges={"b": [(0, 20)]})) as sampler:
        for k in range(6):
            batch = sampler.batch(k)
            masks = batch.loss_masks()
            for row, (domain, ids) in enumerate(zip(batch.domains.tolist(), batch.tokens)):
                expected = (ids >= 120) & (ids != 100) if sampler.domains[domain] == "b" else ids % 3 != 0
                expected[0] = False
                assert masks[row].tolist() == expected.tolist()
            assert batch.cu_seqlens()[[0, -1]].tolist() == [0, masks.size]


def test_packed_rows_keep_documents_apart_unless_told_otherwise(tmp_path):
    run, shards, _ = make_packed(tmp_path)
    for mask, expected in ((None, [0, 1, 1, 0]), (LossMask(within_documents=False), [0, 1, 1, 1])):
        with Sampler(run, shards, mask=mask) as sampler:
            batch = sampler.batch(0)
            row = next(i for i, ids in enumerate(batch.tokens.tolist()) if ids == [1, 2, 3, 10])
            assert batch.loss_mask(row).astype(int).tolist() == expected


@pytest.mark.parametrize("pairs", [[(0, 5), (4, 6)], [(3, 3)], [(-1, 3)]])
def test_ranges_that_overlap_or_are_empty_are_refused(pairs):
    with pytest.raises(HeadraceError, match="ranges are not empty, ascending and apart"):
        range_edges({"a": pairs}, ["a"])


def test_ranges_of_a_domain_that_is_not_there_are_refused():
    with pytest.raises(HeadraceError, match='masked ranges name domain "c", the schedule has a, b'):
        range_edges({"c": [(0, 1)]}, ["a", "b"])
