/* The kernel's binding to Python, in the limited API of 3.11. `_native.pyi` documents it. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "kernel.h"

#include <limits.h>
#include <string.h>

static int is_supported(const struct kernel_variant *variant)
{
    for (const char *const *feature = variant->features; *feature; feature++)
        if (!kernel_cpu_has(*feature))
            return 0;
    return 1;
}

static const struct kernel_variant *find_variant(const char *name)
{
    for (const struct kernel_variant *variant = kernel_variants; variant->name; variant++)
        if (!strcmp(variant->name, name) && is_supported(variant))
            return variant;
    PyErr_Format(PyExc_ValueError, "this CPU cannot run the kernel variant '%s'", name);
    return NULL;
}

/* Return a new tuple that owns both references; NULL, with an exception, if one is NULL or memory is out. */
static PyObject *pair(PyObject *first, PyObject *second)
{
    PyObject *tuple = first && second ? PyTuple_New(2) : NULL;

    if (!tuple) {
        Py_XDECREF(first);
        Py_XDECREF(second);
        return NULL;
    }
    PyTuple_SetItem(tuple, 0, first);
    PyTuple_SetItem(tuple, 1, second);
    return tuple;
}

/* Converters for PyArg_ParseTuple, whose own ones for unsigned numbers do not check the range. */
static int to_position(PyObject *object, void *position)
{
    unsigned long long value = PyLong_AsUnsignedLongLong(object);

    *(uint64_t *)position = value;
    return !PyErr_Occurred();
}

static int to_number(PyObject *object, void *number)
{
    long value = PyLong_AsLong(object);

    if (!PyErr_Occurred() && (value < -1 || value > INT_MAX))
        PyErr_SetString(PyExc_OverflowError, "a number is out of its range");
    *(int *)number = (int)value;
    return !PyErr_Occurred();
}

/* Return why the query cannot be searched for, or NULL. A query that passes cannot make the kernel read or write
 * outside of its memory. */
static const char *refusal(const struct kernel_query *query)
{
    static const unsigned digest_bits[] = {
        [KERNEL_SHA1] = 160, [KERNEL_SHA256] = 256, [KERNEL_SHA512] = 512};
    uint8_t seen[256] = {0};

    if ((unsigned)query->hash > KERNEL_SHA512)
        return "the hash must be 0, 1 or 2";
    if (query->prefix_length > KERNEL_AFFIX_LENGTH
        || query->suffix_length > KERNEL_AFFIX_LENGTH - query->prefix_length)
        return "prefix and suffix must not have more than 49152 bytes together";
    if (query->alphabet_size < 2 || query->alphabet_size > 256)
        return "the alphabet must have 2 to 256 bytes";
    for (unsigned i = 0; i < query->alphabet_size; i++)
        if (seen[query->alphabet[i]]++)
            return "the alphabet must not have a byte twice";
    if (query->secret_length < KERNEL_ANY_LENGTH || query->secret_length > KERNEL_SECRET_LENGTH)
        return "the secret's length must be 0 to 1024, or -1 for any";
    if (query->symbol_bits != 1 && (query->symbol_bits < 4 || query->symbol_bits > 6))
        return "a symbol must have 1, 4, 5 or 6 bits";
    if (query->text_length * query->symbol_bits < digest_bits[query->hash]
        || query->text_length > KERNEL_TEXT_LENGTH)
        return "the text's length must be that of a digest, and at most 512";
    if (query->length < 1 || query->length > query->text_length)
        return "the name must have 1 character, and at most as many as the text";
    if (query->first_offset > query->last_offset
        || query->last_offset > query->text_length - query->length)
        return "the offsets must be in order, and leave room for the name in the text";
    if (query->result_distance > query->length)
        return "the distances must not be above the length of the name";
    if (query->ideal_distance > query->result_distance)
        return "the ideal distance must not be above the result distance";
    for (unsigned i = 0; i < query->length; i++) {
        uint64_t values = query->name[i].values;
        if (values != kernel_all_values(query->symbol_bits) && __builtin_popcountll(values) > 2)
            return "a character must match no symbol, one, two or all";
    }
    return NULL;
}

static const char SCANNER[] = "hashfinder.kernel._native.scanner";

static void release(PyObject *capsule)
{
    kernel_release(PyCapsule_GetPointer(capsule, SCANNER));
}

static PyObject *prepare_query(const char *variant_name, struct kernel_query *query,
                               const Py_buffer *values, const Py_buffer *padding)
{
    const struct kernel_variant *variant = find_variant(variant_name);
    struct kernel_symbols name[KERNEL_TEXT_LENGTH];

    if (!variant)
        return NULL;
    if (values->len != padding->len * (Py_ssize_t)sizeof(uint64_t)) {
        PyErr_SetString(PyExc_ValueError, "a character must have 8 bytes of values and one of padding");
        return NULL;
    }
    query->name = name;
    query->length = padding->len <= KERNEL_TEXT_LENGTH ? (unsigned)padding->len : UINT_MAX;
    for (unsigned i = 0; i < query->length && i < KERNEL_TEXT_LENGTH; i++) {
        memcpy(&name[i].values, (const char *)values->buf + i * sizeof(uint64_t), sizeof(uint64_t));
        name[i].padding = ((const char *)padding->buf)[i];
    }
    const char *reason = refusal(query);
    if (reason) {
        PyErr_SetString(PyExc_ValueError, reason);
        return NULL;
    }
    struct kernel_scanner *scanner = kernel_prepare(variant, query);
    if (!scanner)
        return PyErr_NoMemory();
    PyObject *capsule = PyCapsule_New(scanner, SCANNER, release);
    if (!capsule)
        kernel_release(scanner);
    return capsule;
}

static PyObject *prepare(PyObject *module, PyObject *args)
{
    const char *variant;
    struct kernel_query query = {0};
    Py_buffer prefix, suffix, alphabet, values, padding;
    int hash;
    (void)module;

    if (!PyArg_ParseTuple(args, "sO&y*y*y*O&O&O&y*y*O&O&O&O&:prepare", &variant, to_number, &hash,
                          &prefix, &suffix, &alphabet, to_number, &query.secret_length, to_number,
                          &query.symbol_bits, to_number, &query.text_length, &values, &padding,
                          to_number, &query.first_offset, to_number, &query.last_offset, to_number,
                          &query.ideal_distance, to_number, &query.result_distance))
        return NULL;
    query.hash = (enum kernel_hash)hash;
    query.prefix = prefix.buf, query.prefix_length = (size_t)prefix.len;
    query.suffix = suffix.buf, query.suffix_length = (size_t)suffix.len;
    query.alphabet = alphabet.buf;
    query.alphabet_size = alphabet.len <= 256 ? (unsigned)alphabet.len : 257;
    PyObject *scanner = prepare_query(variant, &query, &values, &padding);
    PyBuffer_Release(&prefix);
    PyBuffer_Release(&suffix);
    PyBuffer_Release(&alphabet);
    PyBuffer_Release(&values);
    PyBuffer_Release(&padding);
    return scanner;
}

static PyObject *scan_into(struct kernel_scanner *scanner, struct kernel_scan *scan, uint64_t first,
                           uint64_t last, const Py_buffer *buffer)
{
    bool done;

    scan->capacity = (size_t)buffer->len / sizeof(uint64_t);
    scan->results = buffer->buf;
    if (first > last || last > kernel_last_position(scanner)) {
        PyErr_Format(PyExc_ValueError, "the positions must be in order, and at most %llu",
                     (unsigned long long)kernel_last_position(scanner));
        return NULL;
    }
    if (scan->capacity < 1 || (uintptr_t)buffer->buf % _Alignof(uint64_t)) {
        PyErr_SetString(PyExc_ValueError, "the buffer must have room for one position, and be aligned");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    done = kernel_scan(scanner, scan, first, last);
    Py_END_ALLOW_THREADS
    if (!done)
        return PyErr_NoMemory();
    return Py_BuildValue("KnNIK", (unsigned long long)scan->searched, (Py_ssize_t)scan->count,
                         PyBool_FromLong(scan->found), scan->best_distance,
                         (unsigned long long)scan->best_position);
}

static PyObject *scan(PyObject *module, PyObject *args)
{
    PyObject *capsule, *outcome = NULL;
    struct kernel_scan scan = {0};
    uint64_t first, last;
    Py_buffer buffer, halt;
    int best_distance;
    (void)module;

    if (!PyArg_ParseTuple(args, "OO&O&O&w*z*:scan", &capsule, to_position, &first, to_position, &last,
                          to_number, &best_distance, &buffer, &halt))
        return NULL;
    scan.halt = halt.len ? halt.buf : NULL;
    scan.best_distance = (unsigned)best_distance;
    struct kernel_scanner *scanner = PyCapsule_GetPointer(capsule, SCANNER);
    if (scanner)
        outcome = scan_into(scanner, &scan, first, last, &buffer);
    PyBuffer_Release(&buffer);
    PyBuffer_Release(&halt);
    return outcome;
}

static PyObject *cpu_features(PyObject *module, PyObject *ignored)
{
    PyObject *present = PyFrozenSet_New(NULL);
    (void)module, (void)ignored;

    for (const struct kernel_variant *variant = kernel_variants; present && variant->name; variant++)
        for (const char *const *feature = variant->features; present && *feature; feature++) {
            if (!kernel_cpu_has(*feature))
                continue;
            PyObject *name = PyUnicode_FromString(*feature);
            if (!name || PySet_Add(present, name) < 0)
                Py_CLEAR(present);
            Py_XDECREF(name);
        }
    return present;
}

/* Return the names as a tuple of str. */
static PyObject *name_tuple(const char *const *names)
{
    Py_ssize_t count = 0;
    while (names[count])
        count++;
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t i = 0; tuple && i < count; i++) {
        PyObject *name = PyUnicode_FromString(names[i]);
        if (!name || PyTuple_SetItem(tuple, i, name) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

static int add_variants(PyObject *module)
{
    Py_ssize_t count = 0;
    while (kernel_variants[count].name)
        count++;
    PyObject *variants = PyTuple_New(count);
    for (Py_ssize_t i = 0; variants && i < count; i++) {
        PyObject *variant = pair(PyUnicode_FromString(kernel_variants[i].name),
                                 name_tuple(kernel_variants[i].features));
        if (!variant || PyTuple_SetItem(variants, i, variant) < 0)
            Py_CLEAR(variants);
    }
    int result = PyModule_AddObjectRef(module, "VARIANTS", variants);
    Py_XDECREF(variants);
    return result;
}

static PyMethodDef methods[] = {
    {"cpu_features", cpu_features, METH_NOARGS,
     "Return which of the features named in VARIANTS this CPU and this OS have."},
    {"prepare", prepare, METH_VARARGS, "Return a scanner for a query."},
    {"scan", scan, METH_VARARGS,
     "Search the positions start to last; write the results, return what else was found."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_variants}, {0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void);

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
