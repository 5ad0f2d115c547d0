"""Tables of labels as people and programs write them: read as they are meant, or refused with the row; and
files under the names of another system."""
import os, unicodedata, warnings
import numpy as np, pytest, soundfile as sf
from weakse.corpora.corpus import CorpusError, CorpusWarning, read_corpus
from weakse.corpora.esc50 import esc50_corpus
from weakse.corpora.folder import folder_corpus
from weakse.corpora.fsd50k import fsd50k_corpus
from weakse.corpora.label_tables import read_labels
from weakse.app.checkup import examine
from weakse.core.labels import Vocabulary, label_map

def table(folder, content):
    path = folder/'labels.csv'
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path

def sound(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, np.random.default_rng(0).normal(0, .1, 8000), 16000)

def read(folder, content, **options):
    "What is read: (file, labels) of every row."
    t = read_labels(table(folder, content), **options)
    return list(zip(t.file, t.labels))

MEANT = [('a.wav',['Speech']), ('b.wav',['Dog','Rain'])]
PLAIN = 'file,label\na.wav,Speech\nb.wav,Dog+Rain\n'

@pytest.mark.parametrize(
    'content',
    [
        PLAIN, PLAIN.replace('\n', '\r\n'), PLAIN.replace('\n', '\r'), b'\xef\xbb\xbf' + PLAIN.encode(),
        PLAIN.rstrip('\n'), PLAIN.replace('\n', '\n\n'), 'file,label\na.wav,Speech,\nb.wav,Dog+Rain\n',
        'file,label,\na.wav,Speech,\nb.wav,Dog+Rain,\n', 'file,label\na.wav,Speech,,,\nb.wav,Dog+Rain, \n',
        '"file","label"\n"a.wav","Speech"\n"b.wav","Dog+Rain"\n',
        'file, label\na.wav, Speech\nb.wav, Dog + Rain\n', 'n,file,label\n1,a.wav,Speech\n2,b.wav,Dog+Rain\n',
    ],
)
def test_one_table_in_many_forms(tmp_path, content):
    assert read(tmp_path, content)==MEANT

@pytest.mark.parametrize('separator,name', [('\t','tabs'), (';','semicolons')])
def test_another_separator_is_found_and_named(tmp_path, separator, name):
    with pytest.warns(CorpusWarning, match=name):
        assert read(tmp_path, PLAIN.replace(',', separator))==MEANT

def test_excels_unicode_text_is_read(tmp_path):
    with pytest.warns(CorpusWarning, match='tabs'):
        assert read(tmp_path, PLAIN.replace(',', '\t').encode('utf-16'))==MEANT

def test_a_separator_inside_a_quoted_name_is_part_of_it(tmp_path):
    assert read(tmp_path, 'file,label\n"a,b;c.wav","Vehicle horn, car horn, honking"\n') == [
        ('a,b;c.wav', ['Vehicle horn, car horn, honking'])]

@pytest.mark.parametrize(
    'content,says',
    [
        (b'', 'is empty'),
        (b'\n\n', 'is empty'),
        (
            'file,label\na.wav,Speech\nb.wav,Dog,Rain\n',
            r"row 3: 3 fields under 2 columns \(file, label\): 'Rain' is too many"),
        ('file,label\n\n\na.wav,Speech,x\n', 'row 4: 3 fields'),
        ('file,label\na.wav,"Speech\nb.wav,Dog\n', 'row 2: '),
        ('file,file,label\na,b,c\n', "'file' occurs twice"),
        ('file,label\nété.wav,Rain\n'.encode('latin-1'), 'line 2 is not UTF-8'),
        (b'file,label\na\0.wav,Rain\n', 'zero bytes'),
        (b'\x89PNG\r\n\x1a\n\0\0', 'not UTF-8'),
        ('a.wav,Speech\n', "no column 'file'; there are: a.wav, Speech"),
        ('file,what\na.wav,Speech\n', "no column 'label'; there are: file, what"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_row(tmp_path, content, says):
    with pytest.raises(CorpusError, match=says):
        read(tmp_path, content)

def test_a_field_too_many_is_said_by_every_reader(tmp_path):
    "A label map and a vocabulary, ESC-50's and FSD50K's own tables."
    (tmp_path/'map.csv').write_text('label,name\nwuff,Dog,Rain\n')
    with pytest.raises(ValueError, match="row 2: 3 fields"):
        label_map(str(tmp_path/'map.csv'))
    (tmp_path/'classes.csv').write_text('name\nDog\nRain,Thunder\n')
    with pytest.raises(ValueError, match="row 3: 2 fields"):
        Vocabulary.read(tmp_path/'classes.csv')
    for make, head, row in (
        (esc50_corpus, 'filename,fold,category', '1.wav,1,dog,x'),
        (fsd50k_corpus, 'fname,labels,mids,split', '1,Dog,/m/0bt9lr,train,x')):
        table(tmp_path, f'{head}\n{row}\n')
        with pytest.raises(CorpusError, match="row 2: .* 'x' is too many"):
            make(tmp_path, *[tmp_path/'out']*4, csv='labels.csv', progress=False)

TABLES = dict(
    dcase_weak=('filename\tevent_labels\na.wav\tSpeech\nb.wav\tDog,Rain\n', MEANT),
    dcase_strong=(
        'filename\tonset\toffset\tevent_label\na.wav\t0.0\t1.0\tSpeech\nb.wav\t0\t1\tDog\nb.wav\t2\t3\tRain\nb.wav\t4\t5\tDog\n',
        MEANT),
    audioset_strong=(
        'segment_id\tstart_time_seconds\tend_time_seconds\tlabel\nx-_1_30000\t0.0\t1.0\t/m/09x0r\nx-_1_30000\t2\t3\t/m/0bt9lr\n',
        [('x-_1_30000', ['/m/09x0r', '/m/0bt9lr'])]),
    urbansound8k=(
        'slice_file_name,fsID,start,end,salience,fold,classID,class\n1-3-0-0.wav,1,0.0,0.3,1,5,3,dog_bark\n',
        [('fold5/1-3-0-0.wav', ['dog_bark'])]),
)

@pytest.mark.parametrize('name', TABLES)
def test_the_tables_of_known_collections_are_read_as_they_come(tmp_path, name):
    content,meant = TABLES[name]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', CorpusWarning)
        assert read(tmp_path, content)==meant

def test_events_of_one_clip_in_both_splits_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="'a.wav' is in both splits"):
        read(
            tmp_path, 'file,onset,label,split\na.wav,0,Dog,train\na.wav,1,Rain,valid\n', split_column='split')

def corpus(folder, content, **options):
    table(folder, content)
    return folder_corpus(
        folder, *(folder / n for n in ('out', 'truth', 'pairs', 'pairs_dev')), csv='labels.csv', progress=False,
        **options)

def test_urbansound8k_and_audiosets_strong_labels_become_corpora(tmp_path):
    sound(tmp_path/'audio'/'fold5'/'1-3-0-0.wav')
    made = corpus(tmp_path, TABLES['urbansound8k'][0], label_map='urbansound8k', clips='audio')
    assert made.table.file.tolist() == ['fold5/1-3-0-0.wav'] and made.table.labels.tolist() == [
        [label_map('urbansound8k')['dog_bark']]]
    assert read_corpus(tmp_path/'out').load(0).shape==(8000,)
    sound(tmp_path/'x-_1_30000.flac')
    with pytest.warns(CorpusWarning, match='tabs'):
        made = corpus(tmp_path, TABLES['audioset_strong'][0])
    assert made.table.file.tolist()==['x-_1_30000.flac'] and made.table.labels.tolist()==[['Speech','Dog']]

@pytest.mark.parametrize('disk', ['NFC','NFD'])
@pytest.mark.parametrize('written', ['NFC','NFD'])
def test_one_name_in_two_unicode_forms_is_one_file(tmp_path, disk, written):
    name = 'été/Straße ü.wav'
    sound(tmp_path/unicodedata.normalize(disk, name))
    made = corpus(tmp_path, f'file,label\n{unicodedata.normalize(written, name)},Rain\n')
    assert unicodedata.normalize('NFC', made.table.file[0])==name and made.path(0).is_file()

def test_windows_slashes_are_turned_where_no_file_has_them(tmp_path):
    sound(tmp_path/'sub'/'d.wav')
    assert corpus(tmp_path, 'file,label\nsub\\d.wav,Rain\n').table.file.tolist()==['sub/d.wav']
    if os.name!='nt':
        sound(tmp_path/'sub\\d.wav')
        assert corpus(tmp_path, 'file,label\nsub\\d.wav,Rain\n').table.file.tolist()==['sub\\d.wav']

def test_what_differs_is_told(tmp_path):
    sound(tmp_path/'Sub'/'D.wav')
    with pytest.raises(
        CorpusError, match="row 2: 'sub/d.wav' does not exist, but 'Sub/D.wav' does: they differ in capitals"
    ):
        corpus(tmp_path, 'file,label\nsub/d.wav,Rain\n')

@pytest.mark.parametrize(
    'rows,says',
    [
        ('', 'has no row below the names'), ('a.wav,Rain\na.wav,Rain\n', "'a.wav' is in 2 rows"),
        ('a.wav,\n', "row 2: 'a.wav' has no label"), ('a.wav,+\n', 'has no label'),
        ('\na.wav,Rain\n\n,Rain\n', 'row 5: names no file'),
        ('a.wav,Rain\n\n\ngone.wav,Rain\n', 'row 5: .*gone.wav'),
        ('a.wav,Rain\n' + 'x' * 300 + '.wav,Rain\n', 'row 3')],
)
def test_rows_that_make_no_corpus(tmp_path, rows, says):
    sound(tmp_path/'a.wav')
    with pytest.raises(CorpusError, match=says):
        corpus(tmp_path, f'file,label\n{rows}')
    assert not (tmp_path/'out').exists()

def test_the_doctor_reads_the_same_tables(tmp_path):
    sound(tmp_path/unicodedata.normalize('NFD', 'é.wav'))
    with pytest.warns(CorpusWarning, match='semicolons'):
        seen = examine(
            table(tmp_path, 'file;onset;label\né.wav;0;Rain\né.wav;1;Dog\n'), n_workers=1, progress=False)
    assert seen.clips.labels.tolist()==[['Rain','Dog']] and seen.clips.error.tolist()==['']
    assert not len(examine(table(tmp_path, 'file,label\n'), n_workers=1, progress=False))

def test_one_file_in_two_spellings_is_in_two_rows(tmp_path):
    "Two rows of one clip could be for training and for validation."
    for name in ('a.wav','sub/b.wav'):
        sound(tmp_path/name)
    for other in ('./a.wav', './/a.wav', 'sub/../a.wav', str(tmp_path/'a.wav')):
        table(tmp_path, f'file,label\na.wav,Rain\nsub/b.wav,Dog\n{other},Rain\n')
        with pytest.raises(CorpusError, match="'a.wav' is in 2 rows"):
            folder_corpus(tmp_path, *(tmp_path/n for n in ('c','t','p','d')), csv='labels.csv', progress=False)

def test_events_of_one_file_in_two_spellings_are_joined(tmp_path):
    assert read(tmp_path, 'file,label,onset\na.wav,Rain,0\n./a.wav,Dog,1\n')==[('a.wav', ['Rain','Dog'])]
