/* The kernel's binding to Python, in the limited API of 3.11. `_native.pyi` documents it. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "kernel.h"

#include <string.h>

/* The kernel hands over its hits this many at a time, from the stack. */
enum { BATCH = 1024 };

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

/* Return a new tuple that takes over the references; NULL, with an exception, if one of them is. */
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

static int append_hits(PyObject *list, const struct kernel_hit *hits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PyObject *hit = pair(PyLong_FromUnsignedLongLong(hits[i].position),
                             PyLong_FromUnsignedLong(hits[i].distance));
        if (!hit)
            return -1;
        int failed = PyList_Append(list, hit);
        Py_DECREF(hit);
        if (failed)
            return -1;
    }
    return 0;
}

/* A converter for PyArg_ParseTuple, whose own would drop the bits above 64. */
static int to_position(PyObject *object, void *position)
{
    unsigned long long value = PyLong_AsUnsignedLongLong(object);

    *(uint64_t *)position = value;
    return !PyErr_Occurred();
}

static PyObject *scan(PyObject *module, PyObject *args)
{
    const char *name;
    struct kernel_query query;
    Py_ssize_t length, capacity;
    uint64_t first, last;
    (void)module;

    if (!PyArg_ParseTuple(args, "sy#IIO&O&In:scan", &name, &query.pattern, &length,
                          &query.ideal_distance, &query.result_distance, to_position, &first,
                          to_position, &last, &query.best_distance, &capacity))
        return NULL;
    const struct kernel_variant *variant = find_variant(name);
    if (!variant)
        return NULL;
    if (length < 1 || length > KERNEL_TEXT_LENGTH)
        return PyErr_Format(PyExc_ValueError, "the pattern must have 1 to %d bytes",
                            KERNEL_TEXT_LENGTH);
    if (first > last) {
        PyErr_SetString(PyExc_ValueError, "the first position must not be above the last");
        return NULL;
    }
    if (capacity < 1) {
        PyErr_SetString(PyExc_ValueError, "the capacity must be at least 1");
        return NULL;
    }
    query.length = (unsigned)length;

    PyObject *list = PyList_New(0);
    if (!list)
        return NULL;
    for (;;) {
        struct kernel_hit hits[BATCH];
        size_t count, room = capacity < BATCH ? (size_t)capacity : BATCH;
        uint64_t searched;

        Py_BEGIN_ALLOW_THREADS
        count = variant->scan(&query, first, last, hits, room, &searched);
        Py_END_ALLOW_THREADS
        if (append_hits(list, hits, count) < 0) {
            Py_DECREF(list);
            return NULL;
        }
        capacity -= (Py_ssize_t)count;
        if (count < room || capacity == 0 || searched == last
            || hits[count - 1].distance <= query.ideal_distance)
            return pair(PyLong_FromUnsignedLongLong(searched), list);
        first = searched + 1;
        for (size_t i = 0; i < count; i++)
            if (hits[i].distance < query.best_distance)
                query.best_distance = hits[i].distance;
    }
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
    {"scan", scan, METH_VARARGS,
     "Search the positions start to last; return the last searched, and the hits."},
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
