"""The trials are fair, and what the long run uses is what they chose."""
from pathlib import Path
import pytest
from weakse.core.files import read_json
from weakse.core.params import load_params
from weakse.evaluation.trials import not_held, read_candidates, tried_rows
from weakse.models.rows import rows

root = Path(__file__).resolve().parents[1]

def test_every_learned_row_of_the_table_has_as_many_candidates():
    candidates, more = read_candidates(root/'params'/'trials.yaml')
    learned = {name for name,row in rows.items() if row.trained_on}
    assert {tried_rows[row].system for row in candidates}==learned
    assert {len(c) for c in candidates.values()}=={4} and set(more) <= {'n_pairs', 'seeds', 'title'}

def test_the_long_run_holds_the_winners():
    made, full = root/'results'/'trials.json', root/'params'/'full.yaml'
    if not made.is_file(): pytest.skip("no results/trials.json yet: `make trials` writes it, in an hour and a half")
    params = load_params(full)
    assert not not_held(read_json(made), {row: params.block(of.block).kwargs() for row,of in tried_rows.items()})
