/* Products of numbers with weights. Included by kernels.h alone. */
/* What is multiplied at once: a place in the weights, and a number, a pair or four of them. */
struct factor { uint32_t x, group; };

INLINE void multiply(const struct factor *factor, int64_t factors, const char *weight, int64_t padded, int64_t place,
                     const void *bias, void *to, const int product, const int n) {
    const int64_t lane = product == PAIRS8 ? 2 : 4, stride = padded * lane;
    s32v sum[MOST_VECTORS];
    UNROLL for (int k = 0; k < n; k++) sum[k] = load_s32v((const char *)bias + place * lane + k * VECTOR);
    for (int64_t f = 0; f < factors; f++) {
        const char *row = weight + factor[f].group * stride + place * lane;
        const s16v pair = all16((int16_t)factor[f].x);
        const s32v whole = all32((int32_t)factor[f].x);
        UNROLL for (int k = 0; k < n; k++) {
            s32v w = load_s32v(row + k * VECTOR);
            switch (product) {
            case PAIRS8: sum[k] = (s32v)((s16v)sum[k] + pairs8(pair, (s16v)w)); break;
            case QUADS8: sum[k] = quads8(sum[k], whole, w); break;
            case PAIRS16: sum[k] = add_pairs16(sum[k], whole, w); break;
            default: sum[k] += whole * w;
            }
        }
    }
    UNROLL for (int k = 0; k < n; k++) store_s32v((char *)to + place * lane + k * VECTOR, sum[k]);
}

#define MULTIPLY_ROWS(product, n) multiply(factor, factors, weight, padded, place, bias, to, product, n)
#define MULTIPLIER(name, product, lanes)                                                                            \
    static void name(const struct factor *factor, int64_t factors, const char *weight, int64_t padded,              \
                     const void *bias, void *to) {                                                                  \
        for (int64_t place = 0, n; place < padded; place += n * (lanes)) {                                          \
            n = vectors_now((padded - place) / (lanes));                                                            \
            SIZES(MULTIPLY_ROWS, product)                                                                           \
        }                                                                                                           \
    }
MULTIPLIER(multiply_pairs8, PAIRS8, LANES16)
MULTIPLIER(multiply_quads8, QUADS8, LANES32)
MULTIPLIER(multiply_pairs16, PAIRS16, LANES32)
MULTIPLIER(multiply_singles, SINGLES, LANES32)

INLINE uint32_t load_factor(const char *from, const int bytes) {
    uint16_t half;
    uint32_t whole;
    if (bytes == 2) {
        memcpy(&half, from, 2);
        return half;
    }
    memcpy(&whole, from, 4);
    return whole;
}

#define WINDOW_VECTORS 2 /* of sums of a window at once */

typedef int16_t factor16 __attribute__((UNALIGNED));
typedef int32_t factor32 __attribute__((UNALIGNED));

/* Multiply all factors, as they lie in the source: where sums are few, to leave zeros out would take longer. */
INLINE void multiply_all(const char *from, int64_t elements, const char *weight, const void *bias, void *to,
                         const int product, const int n) {
    const int64_t bytes = product == PAIRS8 ? 2 : 4, group = product == QUADS8 ? 4 : product == SINGLES ? 1 : 2;
    s32v sum[FEW_VECTORS];
    UNROLL for (int k = 0; k < n; k++) sum[k] = load_s32v((const char *)bias + k * VECTOR);
    for (const char *end = weight + (elements + group - 1) / group * n * VECTOR; weight < end; weight += n * VECTOR) {
        const s16v pair = all16(*(const factor16 *)from);
        const s32v whole = product == PAIRS8 ? (s32v)pair : all32(*(const factor32 *)from);
        from += bytes;
        UNROLL for (int k = 0; k < n; k++) {
            const s32v w = load_s32v(weight + k * VECTOR);
            switch (product) {
            case PAIRS8: sum[k] = (s32v)((s16v)sum[k] + pairs8(pair, (s16v)w)); break;
            case QUADS8: sum[k] = quads8(sum[k], whole, w); break;
            case PAIRS16: sum[k] = add_pairs16(sum[k], whole, w); break;
            default: sum[k] += whole * w;
            }
        }
    }
    UNROLL for (int k = 0; k < n; k++) store_s32v((char *)to + k * VECTOR, sum[k]);
}

#define MULTIPLY_ALL(product, n) multiply_all(from, elements, weight, bias, to, product, n)
#define ALL_MULTIPLIER(name, product)                                                                               \
    static void name(const char *from, int64_t elements, const char *weight, const void *bias, void *to, int64_t n) { \
        switch (n) {                                                                                                \
        case 1: MULTIPLY_ALL(product, 1); break;                                                                    \
        case 2: MULTIPLY_ALL(product, 2); break;                                                                    \
        case 3: MULTIPLY_ALL(product, 3); break;                                                                    \
        case 4: MULTIPLY_ALL(product, 4); break;                                                                    \
        case 5: MULTIPLY_ALL(product, 5); break;                                                                    \
        default: MULTIPLY_ALL(product, FEW_VECTORS);                                                                \
        }                                                                                                           \
    }
ALL_MULTIPLIER(multiply_all_pairs8, PAIRS8)
ALL_MULTIPLIER(multiply_all_quads8, QUADS8)
ALL_MULTIPLIER(multiply_all_pairs16, PAIRS16)
ALL_MULTIPLIER(multiply_all_singles, SINGLES)

/* List the factors of a segment that are not zero. */
INLINE int64_t list_factors(struct factor *to, const char *from, int64_t groups, uint32_t first, const int bytes) {
    int64_t count = 0;
    for (int64_t g = 0; g < groups; g++) { /* without a branch: whether a factor is zero is hard to predict */
        uint32_t x = load_factor(from + g * bytes, bytes);
        to[count].x = x;
        to[count].group = first + (uint32_t)g;
        count += x != 0;
    }
    return count;
}

/* Multiply what some windows hold that lie side by side, zeros too: where windows are small, to list what is not zero
   takes longer. The sums of each window are a row. */
INLINE void multiply_windows(const struct linear *op, const char *from, int64_t step, int64_t place, const void *bias,
                             char *to, const int product, const int n, const int windows) {
    const int64_t lane = product == PAIRS8 ? 2 : 4, padded = op->padded, groups = op->window_groups;
    const int64_t *offset = op->window;
    const char *weight = (const char *)op->weight + place * lane;
    s32v sum[WINDOWS * WINDOW_VECTORS];
    UNROLL for (int p = 0; p < windows; p++)
        UNROLL for (int k = 0; k < n; k++) sum[p * n + k] = load_s32v((const char *)bias + place * lane + k * VECTOR);
    for (int64_t g = 0; g < groups; g++, weight += padded * lane) {
        const char *group = from + offset[g];
        s32v w[WINDOW_VECTORS];
        UNROLL for (int k = 0; k < n; k++) w[k] = load_s32v(weight + k * VECTOR);
        UNROLL for (int p = 0; p < windows; p++, group += step) {
            const s16v pair = all16(*(const factor16 *)group);
            const s32v whole = product == PAIRS8 ? (s32v)pair : all32(*(const factor32 *)group);
            UNROLL for (int k = 0; k < n; k++) {
                s32v *own = &sum[p * n + k];
                switch (product) {
                case PAIRS8: *own = (s32v)((s16v)*own + pairs8(pair, (s16v)w[k])); break;
                case QUADS8: *own = quads8(*own, whole, w[k]); break;
                case PAIRS16: *own = add_pairs16(*own, whole, w[k]); break;
                default: *own += whole * w[k];
                }
            }
        }
    }
    UNROLL for (int p = 0; p < windows; p++)
        UNROLL for (int k = 0; k < n; k++)
            store_s32v(to + p * padded * lane + place * lane + k * VECTOR, sum[p * n + k]);
}

#define WINDOW_ROWS(product, n, windows) multiply_windows(op, from, step, place, bias, to, product, n, windows)
#define WINDOW_MULTIPLIER(name, product, lanes)                                                                     \
    static void name(const struct linear *op, const char *from, int64_t step, int64_t windows, const void *bias,    \
                     char *to) {                                                                                    \
        int64_t place = 0;                                                                                          \
        for (; place + 2 * (lanes) <= op->padded; place += 2 * (lanes)) {                                           \
            if (windows == WINDOWS) WINDOW_ROWS(product, 2, WINDOWS);                                               \
            else for (int64_t p = 0; p < windows; p++) WINDOW_ROW(product, 2);                                      \
        }                                                                                                           \
        for (; place < op->padded; place += (lanes)) {                                                              \
            if (windows == WINDOWS) WINDOW_ROWS(product, 1, WINDOWS);                                               \
            else for (int64_t p = 0; p < windows; p++) WINDOW_ROW(product, 1);                                      \
        }                                                                                                           \
    }
#define WINDOW_ROW(product, n)                                                                                      \
    multiply_windows(op, from + p * step, step, place, bias, to + p * op->padded * (product == PAIRS8 ? 2 : 4),     \
                     product, n, 1)
WINDOW_MULTIPLIER(window_pairs8, PAIRS8, LANES16)
WINDOW_MULTIPLIER(window_quads8, QUADS8, LANES32)
WINDOW_MULTIPLIER(window_pairs16, PAIRS16, LANES32)
WINDOW_MULTIPLIER(window_singles, SINGLES, LANES32)

INLINE int32_t image_type(const struct linear *op, const struct value *source) {
    switch (op->product) {
    case PAIRS16: return I16;
    case SINGLES: return I32;
    case CHANNELS: return source->type;
    default: return U8;
    }
}

/* Return where a product's source begins: itself, or its copy with a border and in the type that is multiplied. */
static const char *image_of(const struct run *run, const struct linear *op, const struct value *source) {
    const char *from = at(run, source->place);
    const int32_t channels = source->channels;
    const int32_t type = image_type(op, source);
    const int whole = op->padded_width == source->width && op->padded_height == source->height;
    if (whole && type == source->type) return from;
    char *image = at(run, op->image_place);
    const int64_t bytes = es_bytes_of(type), elements = (int64_t)op->source_width * channels;
    for (int32_t y = 0; y < op->source_height; y++) {
        char *to = image + ((int64_t)(y + op->top) * op->padded_width + op->left) * channels * bytes;
        const int64_t first = (int64_t)y * source->width * channels;
        if (type == source->type) {
            memcpy(to, from + first * bytes, (size_t)(elements * bytes));
        } else {
            for (int64_t i = 0; i < elements; i++) put(to, type, i, element(from, source->type, first + i));
        }
    }
    return image;
}

/* Bytes of an element as it is multiplied. */
INLINE int64_t factor_bytes(const struct linear *op) {
    return op->product == PAIRS16 ? 2 : op->product == SINGLES ? 4 : 1;
}

/* Sum the products of some positions of a row, at most WINDOWS, where windows are small. */
INLINE void sum_windows(const struct linear *op, const char *image, int32_t channels, int32_t y, int32_t x,
                        int32_t positions, char *to) {
    const int64_t element = channels * factor_bytes(op), step = op->step_x * element;
    const char *from = image + (int64_t)y * op->step_y * op->padded_width * element + x * step;
    const void *bias = op->wide ? (const void *)op->bias32 : op->bias;
    switch (op->product) {
    case PAIRS8: window_pairs8(op, from, step, positions, bias, to); break;
    case QUADS8: window_quads8(op, from, step, positions, bias, to); break;
    case PAIRS16: window_pairs16(op, from, step, positions, bias, to); break;
    default: window_singles(op, from, step, positions, bias, to);
    }
}

/* Sum the products of a position, where windows are large. */
INLINE void sum_products(const struct run *run, const struct linear *op, const char *image, int32_t channels,
                         int32_t y, int32_t x, void *to) {
    char *const lists = at(run, run->net->temporary_place) + 8 * run->net->most_padded + SLACK;
    struct factor *factor = (struct factor *)lists;
    const int64_t bytes = factor_bytes(op);
    const int64_t corner = ((int64_t)y * op->step_y * op->padded_width + (int64_t)x * op->step_x) * channels * bytes;
    int64_t factors = 0;
    for (int32_t s = 0; s < op->segments; s++) {
        const struct segment *segment = &op->segment[s];
        const char *from = image + corner + ((int64_t)segment->row * op->padded_width + segment->column) * channels * bytes;
        const int64_t length = segment->bytes;
        struct factor *next = factor + factors;
        const uint32_t first = (uint32_t)segment->first;
        switch (op->product) {
        case PAIRS8: factors += list_factors(next, from, (length + 1) / 2, first, 2); break;
        case QUADS8: factors += list_factors(next, from, (length + 3) / 4, first, 4); break;
        case PAIRS16: factors += list_factors(next, from, (length + 1) / 2, first, 4); break;
        default: factors += list_factors(next, from, length, first, 4);
        }
    }
    const void *bias = op->wide ? (const void *)op->bias32 : op->bias;
    switch (op->product) {
    case PAIRS8: multiply_pairs8(factor, factors, op->weight, op->padded, bias, to); break;
    case QUADS8: multiply_quads8(factor, factors, op->weight, op->padded, bias, to); break;
    case PAIRS16: multiply_pairs16(factor, factors, op->weight, op->padded, bias, to); break;
    default: multiply_singles(factor, factors, op->weight, op->padded, bias, to);
    }
}

/* Sum the products of each channel by itself. */
INLINE struct sums sum_channels(const struct run *run, const struct linear *op, const char *image, int32_t type,
                                int32_t channels, int32_t y, int32_t x) {
    int32_t *to = (int32_t *)at(run, run->net->temporary_place);
    const struct segment *segment = op->segment;
    const int32_t segments = op->segments, padded = op->padded, *weight = op->weight, *bias = op->bias32;
    const int64_t width = op->padded_width, corner = (int64_t)y * op->step_y * width + (int64_t)x * op->step_x;
    for (int32_t i = 0; i < padded; i += LANES32) {
        s32v sum = load_s32v(bias + i);
        for (int32_t s = 0; s < segments; s++) {
            const int64_t place = (corner + segment[s].row * width + segment[s].column) * channels + i;
            sum += get32(image, type, place) * load_s32v(weight + (int64_t)s * padded + i);
        }
        store_s32v(to + i, sum);
    }
    return (struct sums){to, 1};
}
