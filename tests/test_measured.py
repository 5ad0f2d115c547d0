"""A stage of the run that has nothing to measure says so and goes on; what is measured on a system is told as
in its training."""
import numpy as np, pandas as pd, pytest, torch
from typer.testing import CliRunner
from weakse.cli.main import app
from weakse.cli import evaluation as cli
from weakse.evaluation import experiments, figures, recognition as recognised
from weakse.evaluation.ablation import _cells, ablate
from weakse.mining.anchor_store import write_anchors
from weakse.mining.detection import NoAnchorsError
from weakse.core.audio import save_audio
from weakse.corpora.corpus import Corpus
from weakse.core.files import write_json
from weakse.inference.enhance import enhance_pairs
from weakse.training.scene_batches import JointError, pure_anchors, usable_anchors
from weakse.training.selective import heard_as
from weakse.mining.sound_types import measure_sound_types, read_sound_types
from weakse.core.labels import Vocabulary
from weakse.core.tables import write_table
from weakse.app.listening import listening_page
from weakse.evaluation.scoring import score_folders
from weakse.mining.mine import NoPairsError
from weakse.corpora.recorded_scenes import real_scenes
from weakse.corpora.scenes import read_scenes, scene_classes
from weakse.evaluation.experiments import write_selective
from weakse.evaluation.recognition import RECOGNISED, held_out_recognition, recognition
from weakse.evaluation.selective_tables import selective_markdown
from weakse.models.system import System
from weakse.evaluation.printing import print_scores, print_table1
from weakse.evaluation.tables import write_table1
from weakse.core.terminal import shown_log

@pytest.fixture(autouse=True)
def as_the_command():
    "What is logged goes to standard error, as in a verb."
    with shown_log():
        yield

NAMES = Vocabulary(['Speech','Knock','Rain']).with_thresholds([.5]*3)
KINDS = pd.DataFrame(
    [('Speech', 'speech', True), ('Knock', 'transient', True), ('Rain', 'stationary', True)],
    columns=['class', 'kind', 'seen'])

@pytest.fixture
def crowded(tmp_path):
    """Anchors of clips with three labels whose tags all say 0.3: heard at half of the threshold 0.5, not
    heard at eight times it."""
    clip,k = np.arange(24)//3,np.arange(24)%3
    table = pd.DataFrame(dict(clip=clip, file=[f'{i}.wav' for i in clip], start=0., area=.5, level_db=-26.))
    table.insert(2, 'class', [NAMES.names[i] for i in k])
    wavs = .1*torch.randn(24, 1600, generator=torch.Generator().manual_seed(0))
    return write_anchors(
        tmp_path / 'anchors', table, wavs, np.full((24, 3), 0.3), NAMES, dict(sample_rate=16000, seconds=0.1))

class Deaf:
    "A branch that always says Speech."
    takes = "embedding"
    @staticmethod
    def listen(wav):
        return (torch.eye(3)[:1].expand(len(wav), -1),)*3

def heard(**training):
    system = System(
        'joint', None, vocabulary=NAMES, bank=torch.eye(3), config=dict(training=training) if training else {}
    )
    system.model = Deaf
    return system

def told(rows):
    return {(r['kind'], r['seen'], r['metric']): r['value'] for r in rows}

def test_recognition_tells_what_is_heard_as_the_training_did(crowded):
    rows = recognition(heard(scenes=dict(threshold_scale=8.)), crowded, KINDS)
    assert told(rows)['all',True,'accuracy']==pytest.approx(1/3) and told(rows)['speech',True,'accuracy']==1.
    assert heard_as(dict(scenes=None))==heard_as(None)=={}

def test_too_few_held_out_anchors_are_a_missing_value_with_its_reason(crowded, tmp_path):
    rows = recognition(heard(), crowded, KINDS)
    assert set(told(rows))==set(RECOGNISED) and not any(v is not None for v in told(rows).values())
    assert all(r['n']==0 and 'too few held-out anchors' in r['why'] for r in rows)
    with pytest.raises(JointError, match='no class of sound type'):
        usable_anchors(crowded, KINDS)   # a training still needs them
    assert not any(pure_anchors(crowded, KINDS).values())

def test_the_tables_say_what_was_not_measured(crowded, tmp_path):
    values = pd.DataFrame(
        [
            dict(
                system='noisy', condition='0', snr_db=5.0, object='noisy', kind='speech', seen=True,
                metric='stoi', scene='a', transient='Knock', stationary='Rain', value=0.5)
        ]
    )
    t = write_selective(values, tmp_path/'s.json', snrs=(5.,), told=recognition(heard(), crowded, KINDS))
    assert 'not measured (too few held-out anchors' in (tmp_path/'s.md').read_text()
    assert all(r['value'] is None for r in t['rows'] if r['object']=='held-out anchors') and selective_markdown(t)

def test_no_held_out_anchor_at_all_does_not_end_the_run(monkeypatch):
    def none(*_, **__):
        raise NoAnchorsError('none of 0 anchors passes the gates')
    monkeypatch.setattr(recognised, 'detect_anchors', none)
    rows = held_out_recognition(dict(joint=heard()), 'corpus', 'detector', 'sound_types.csv', 'folder', 0, False)
    assert len(rows)==len(RECOGNISED) and all('none of 0 anchors' in r['why'] for r in rows)

# -- every stage with nothing before it
# ------------------------------------------------------------------------------------------------------------

def said_once(capsys, *words):
    "One line on standard error, with these words."
    err = capsys.readouterr().err.strip()
    assert err.count('\n')==0 and all(w in err for w in words), err

@pytest.fixture
def bare(tmp_path):
    "A corpus without clips, pairs without files, a class table without classes."
    Corpus(
        tmp_path / 'corpus',
        pd.DataFrame(dict(file=[], labels=[], split=[], seconds=[])).astype(
            dict(file=object, labels=object, split=object)),
        NAMES,
        16000,
    ).save()
    for p in ('clean','noisy'):
        (tmp_path/'pairs'/p).mkdir(parents=True)
    write_table(tmp_path/'pairs'/'pairs.csv', pd.DataFrame(columns=['file','snr_db','speaker','noise']))
    write_table(tmp_path/'sound_types.csv', pd.DataFrame(columns=['class','n','gini','kind','seen','set']))
    return tmp_path

class Ear:
    vocabulary = NAMES
    sample_rate = 16000
    hop = .01

def test_figures_without_clips_and_pairs(bare, capsys, monkeypatch):
    monkeypatch.setattr(figures, 'load_detector', lambda _: Ear)
    captions = figures.draw_figures(
        bare / 'corpus', 'any', bare / 'pairs', bare / 'enhanced', bare / 'out', progress=False)
    assert {p.name for p in (bare/'out').glob('*.*')} >= {'figure1.png','figure2.png','captions.json'}
    assert (
        "no clip of 'corpus' has the weak label 'Speech'" in captions['figure1']
        and 'no test pairs' in captions['figure2'])
    assert len(capsys.readouterr().err.strip().splitlines())==2
    with pytest.raises(ValueError, match='Speach'):
        figures.draw_figures(bare/'corpus', 'any', bare/'pairs', bare/'enhanced', bare/'out', target='Speach')

def test_a_kind_without_a_class_is_said(crowded, capsys, tmp_path):
    table = measure_sound_types(crowded.folder, tmp_path/'sound_types.csv', min_anchors=99)
    err = capsys.readouterr().err.strip().splitlines()
    assert len(err)==2 and all('lower `sound_types.min_anchors` (99)' in l for l in err)
    assert (
        read_sound_types(tmp_path / 'sound_types.csv').kind.tolist() == table.kind.tolist()
        == ['speech', 'unused', 'unused'])

def test_scenes_of_no_class_and_of_few(bare, capsys):
    made = real_scenes(
        None, bare / 'corpus', bare / 'sound_types.csv', bare / 'scenes', progress=False, n_workers=1)
    said_once(capsys, 'none of the test set can be made', 'more clips the split `valid`')
    assert len(made)==len(read_scenes(bare/'scenes'))==0
    table = pd.DataFrame(
        dict(kind=['transient', 'stationary', 'stationary'], seen=[True, True, False])
    ).assign(**{'class': ['Knock', 'Rain', 'Wind']})
    few = scene_classes(table, 8)
    said_once(capsys, '4 of 8 of the test set can be made', '1 seen and 0 unseen transient classes')
    assert (
        len(few) == 4 and few.transient_seen.all() and set(few.transient) == {'Knock'}
        and list(few.index) == [0, 1, 2, 3])
    with pytest.raises(ValueError, match='at least 4 scenes'):
        real_scenes(None, bare/'corpus', bare/'sound_types.csv', bare/'scenes', n_scenes=1)

def test_selective_and_its_page_without_scenes(bare, capsys, monkeypatch):
    real_scenes(None, bare/'corpus', bare/'sound_types.csv', bare/'scenes', progress=False, n_workers=1)
    monkeypatch.setattr(experiments, 'load_systems', lambda joint: dict(joint=heard()))
    capsys.readouterr()
    t = experiments.run_experiments(
        bare / 'scenes', bare / 'sound_types.csv', 'joint', bare / 'out', bare / 't.json', snrs=(5.0,),
        progress=False, n_workers=1)
    said_once(capsys, 'has no scene')
    assert (
        (t['n_scenes'], t['rows'], t['differences']) == (0, [], [])
        and (bare / 't.md').is_file())
    r = listening_page(bare/'t.json', bare/'out', bare/'scenes', bare/'page', progress=False)
    said_once(capsys, 'the page is empty', '`selective.n_samples`')
    assert (
        r['n_sounds'] == r['n_scenes'] == 0
        and 'Nothing to listen to' in (bare / 'page' / 'index.html').read_text())

def test_scores_of_no_pairs_go_into_the_table(bare, capsys):
    assert enhance_pairs(bare/'pairs', 'noisy', bare/'enhanced', progress=False)['files']==0
    said_once(capsys, 'nothing to enhance')
    scores = score_folders(bare/'pairs'/'clean', bare/'enhanced', progress=False)
    said_once(capsys, 'nothing is scored')
    assert (scores['n_files'],scores['scored'],scores['files'])==(0,0,[])
    for name in ('noisy','wiener'):
        write_json(bare/f'{name}.json', scores)
    table = write_table1([bare/'noisy.json', bare/'wiener.json'], bare/'t.json', bare/'t.md')
    print_table1(table)
    print_scores(scores)
    assert all(r['pesq']['mean'] is None for r in table['rows']) and 'none' in (bare/'t.md').read_text()
    with pytest.raises(ValueError, match='check the path'):
        score_folders(bare/'pairs'/'clean', alone(bare/'one'), progress=False)
    with pytest.raises(ValueError, match='expected'):
        score_folders(bare/'pairs'/'clean', bare/'enhanced', expected=dict(n_files=[824,0]), progress=False)
    with pytest.raises(ValueError, match='noisy'):
        enhance_pairs(bare, 'noisy', bare/'e2')

def alone(folder):
    save_audio(folder/'a.wav', .1*torch.randn(1, 16000), 16000)
    return folder

def test_ablation_without_pairs_and_with_variants_that_cannot_be_mined(bare, crowded, capsys):
    report = ablate(
        bare / 'corpus', 'detector', crowded.folder, None, bare / 'pairs', bare / 'a.json',
        work=bare / 'work', progress=False)
    said_once(capsys, 'has no pairs')
    assert (report['answers'],report['cells'])==([],[]) and (bare/'a.md').is_file() and (bare/'work').is_dir()
    def make(name, seed):
        if name=='random' and seed==1: raise NoPairsError('no disjoint pair')
        return name,seed
    assert _cells(['base','random'], [0, 1, 2], make, False, 'ablate')==dict(base=[('base',0),('base',1),('base',2)])
    said_once(capsys, 'random is left out, with seed 1', 'no disjoint pair')
    with pytest.raises(ValueError, match='unknown variants'):
        ablate(
            bare / 'corpus', 'detector', crowded.folder, None, bare / 'pairs', bare / 'b.json',
            work=bare / 'work', variants=['nothing'])

EMPTY = [
    'sound_types anchors classes.csv', 'scenes data corpus sound_types.csv scenes',
    'selective scenes sound_types.csv joint sounds s.json', 'listen s.json sounds scenes page',
    'enhance pairs --pairs --system noisy -o enhanced',
    'score --clean pairs/clean --enhanced enhanced --json noisy.json',
    'table1 noisy.json t.json t.md', 'metrics t.json m.json', 'figures corpus ear pairs enhanced figures',
    'ablate corpus ear anchors truth pairs a.json', 'metrics a.json ma.json', 'metrics s.json ms.json']

def test_each_verb_goes_on_with_nothing_to_measure(bare, crowded, monkeypatch):
    "As in a run: each stage reads what the one before it could not measure, and none of them ends it."
    (bare/'params.yaml').write_text(
        'sound_types: {min_anchors: 99}\nscenes: {kind: real}\nselective: {snrs: [5.0]}\ntable1: {}\n'
        'mine: {}\ntrain: {}\nablate: {}\nlisten: {}\nfigures: {}\nscore: {}\n')
    monkeypatch.chdir(bare)
    monkeypatch.setattr(experiments, 'load_systems', lambda joint: dict(joint=heard()))
    monkeypatch.setattr(figures, 'load_detector', lambda _: Ear)
    for words in EMPTY:
        r = CliRunner().invoke(app, words.split(), prog_name='weakse')
        assert r.exit_code==0 and r.stdout.strip(), (words, r.output, r.exception)

def test_report_without_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.report() is None
    said_once(capsys, 'make repro')
    with pytest.raises(ValueError, match='compare'):
        cli.report(compare=tmp_path/'other.json')

def test_held_out_anchors_are_as_long_as_those_of_the_training(monkeypatch):
    asked = {}
    def none(*_, **kw):
        asked.update(kw)
        raise NoAnchorsError('none')
    monkeypatch.setattr(recognised, 'detect_anchors', none)
    held_out_recognition(dict(joint=heard(anchor_seconds=.7)), 'corpus', 'detector', 'sound_types.csv', 'folder', 0, False)
    assert asked['seconds']==.7
    held_out_recognition(dict(joint=heard()), 'corpus', 'detector', 'sound_types.csv', 'folder', 0, False)
    assert asked['seconds']==2.

def test_a_corpus_without_speech_is_no_typo(bare, crowded, capsys, monkeypatch):
    class Other:
        vocabulary = Vocabulary(['Knock','Rain'])
        sample_rate = 16000
        hop = .01
    monkeypatch.setattr(figures, 'load_detector', lambda _: Other)
    captions = figures.draw_figures(bare/'corpus', 'any', bare/'pairs', bare/'enhanced', bare/'out')
    assert "'Speech' is no class of the detector" in captions['figure1']
    with pytest.raises(ValueError, match='Speach'):
        figures.draw_figures(bare/'corpus', 'any', bare/'pairs', bare/'enhanced', bare/'out', target='Speach')
    capsys.readouterr()
    table = measure_sound_types(
        crowded.folder, bare / 'sound_types.csv', speech='Dog', min_anchors=1, transient=0.1, stationary=0.0,
        overwrite=True)
    assert "'Dog' is no class of the anchors" in capsys.readouterr().err and 'speech' not in set(table.kind)
    with pytest.raises(ValueError, match="unknown class 'Speach'"):
        measure_sound_types(crowded.folder, bare/'sound_types.csv', speech='Speach', overwrite=True)
