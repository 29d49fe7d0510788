/* Lists of events, and sums of the rows of weights that they lead to. Included by kernels.h alone. */
#if defined(__AVX512BW__) && VECTOR == 64
/* Add those of 16 numbers that a mask names to a list; behind its end anything may be written. */
INLINE uint32_t *list_some(uint32_t *list, uint32_t mask, s32v numbers) {
    store_s32v(list, (s32v)_mm512_maskz_compress_epi32((__mmask16)mask, (__m512i)numbers));
    return list + __builtin_popcount(mask & 0xffff);
}

INLINE s32v counted_up(uint32_t first, uint32_t step) {
    s32v place;
    for (int i = 0; i < LANES32; i++) place[i] = i;
    return place * (int32_t)step + (int32_t)first;
}

#define MANY_BITS 5 /* of a word, from which on it takes less to list them all at once */
#endif

/* Add the places of a word's bits to a list. */
INLINE uint32_t *list_bits(uint32_t *list, uint64_t word, uint32_t first) {
#if defined(__AVX512BW__) && VECTOR == 64
    if (__builtin_popcountll(word) >= MANY_BITS) {
        const s32v places = counted_up(first, 1);
        UNROLL for (int part = 0; part < 4; part++)
            list = list_some(list, (uint32_t)(word >> 16 * part) & 0xffff, places + 16 * part);
        return list;
    }
#endif
    while (word) {
        *list++ = first + (uint32_t)__builtin_ctzll(word);
        word &= word - 1;
    }
    return list;
}

INLINE uint64_t low_bits(int64_t count) { return count >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1; }

/* Return 64 bits of a row that begin anywhere in it; what is behind the row may be among them. */
INLINE uint64_t bits_from(const uint64_t *row, int64_t first) {
    const int by = (int)(first & 63);
    return row[first >> 6] >> by | row[(first >> 6) + 1] << 1 << (63 - by);
}

/* Move the bits of a pattern together, which has every n-th bit. */
INLINE uint64_t every(uint64_t word, uint64_t pattern, int32_t n) {
#if defined(__BMI2__)
    (void)n;
    return _pext_u64(word, pattern);
#else
    uint64_t found = 0;
    (void)pattern;
    for (int32_t i = 0; i * n < 64; i++) found |= (word >> (i * n) & 1) << i;
    return found;
#endif
}

#define FEW 4 /* Events of so many spikes are listed so many times; rows with more of them hold numbers as well. */

/* What is known of a row's list: where each position begins; only where the row does; and numbers of spikes beside it. */
enum list_kind { PLACED, BITS, NUMBERED };

struct lists {
    uint32_t *list, *starts, *rows;
    int32_t *number;
    uint8_t *kind;
    uint64_t *active;
};

INLINE struct lists lists_of(const struct run *run, const struct linear *op) {
    struct lists found = {
        (uint32_t *)at(run, op->list_place),
        (uint32_t *)at(run, op->starts_place),
        (uint32_t *)at(run, op->rows_place),
        (int32_t *)at(run, op->list_place) + op->list_room,
        (uint8_t *)at(run, op->kinds_place),
        (uint64_t *)at(run, op->active_place),
    };
    return found;
}

/* Say where each position's events begin: the list of a row of bits begins at a place. */
INLINE void find_starts(const uint64_t *bits, const struct linear *op, int32_t channels, uint32_t count,
                        uint32_t *starts) {
    const int32_t left = op->left, width = op->source_width, padded_width = op->padded_width;
    for (int32_t x = 0; x < left; x++) starts[x] = count;
    starts += left;
    if (channels <= 64 && 64 % channels == 0) {
        const int32_t in_word = 64 / channels;
        for (int32_t x = 0; x < width; x += in_word, bits++) {
            const uint64_t word = *bits;
            const int32_t here = width - x < in_word ? width - x : in_word;
            for (int32_t j = 0; j < here; j++)
                starts[x + j] = count + (uint32_t)__builtin_popcountll(word & (((uint64_t)1 << (j * channels)) - 1));
            count += (uint32_t)__builtin_popcountll(word);
        }
    } else {
        for (int64_t x = 0; x < width; x++) {
            starts[x] = count;
            for (int64_t c = 0; c < channels; c += 64)
                count += (uint32_t)__builtin_popcountll(bits_from(bits, x * channels + c) & low_bits(channels - c));
        }
    }
    for (int32_t x = width; x <= padded_width - left; x++) starts[x] = count;
}

/* Return at which positions of a row of bits any is set; rows of at most 64 positions. */
INLINE uint64_t active_positions(const uint64_t *bits, const struct linear *op, int32_t channels) {
    const int32_t left = op->left, width = op->source_width;
    uint64_t found = 0;
    if (channels <= 64 && 64 % channels == 0) {
        const int32_t in_word = 64 / channels;
        for (int32_t x = 0; x < width; x += in_word, bits++) {
            uint64_t word = *bits;
            for (int32_t by = 1; by < channels; by *= 2) word |= word >> by;
            found |= every(word, op->channel_bits, channels) << ((left + x) & 63);
        }
        return found;
    }
    int64_t bit = 0;
    for (int32_t x = 0; x < width; x++) {
        uint64_t here = 0;
        for (int64_t end = bit + channels; bit < end;) {
            const int64_t most = 64 - (bit & 63), taken = end - bit < most ? end - bit : most;
            here |= bits[bit >> 6] >> (bit & 63) & low_bits(taken);
            bit += taken;
        }
        found |= (uint64_t)(here != 0) << ((left + x) & 63);
    }
    return found;
}

/* List a row's events of single spikes. */
static uint32_t scan_bits(const struct linear *op, const struct lists *to, const uint8_t *row, uint32_t count,
                          int32_t channels, uint64_t *bits) {
    const int64_t elements = (int64_t)op->source_width * channels, words = (elements + 63) / 64;
    uint32_t *const list = to->list, *end = list + count;
    const uint32_t first = (uint32_t)(op->left * channels);
    for (int64_t k = 0; k < words; k++) {
        bits[k] = nonzero64(row + 64 * k) & low_bits(elements - 64 * k);
        end = list_bits(end, bits[k], first + (uint32_t)(64 * k));
    }
    return (uint32_t)(end - list);
}

static int is_binary(const uint8_t *row, int64_t elements) {
    u8v any = {0};
    int64_t i = 0;
    for (; i + VECTOR <= elements; i += VECTOR) any |= load_u8v(row + i);
    uint8_t rest = 0;
    for (; i < elements; i++) rest |= row[i];
    u8v more = any & (uint8_t)254;
    return rest <= 1 && !any_bit((s32v)more);
}

/* List a row's events of a few spikes each, so many times. */
static uint32_t scan_few(const struct linear *op, const struct lists *to, const uint8_t *row, int32_t most, uint32_t count,
                         uint32_t *starts, int32_t channels, uint64_t *active) {
    uint32_t *const list = to->list, *end = list + count, place = (uint32_t)(op->left * channels);
    uint64_t found = 0;
    int32_t x = 0;
    for (; x < op->left; x++) starts[x] = count;
    for (; x < op->left + op->source_width; x++, row += channels, place += (uint32_t)channels) {
        const uint32_t *const before = end;
        starts[x] = (uint32_t)(end - list);
        for (int32_t c = 0; c < channels; c += 64)
            for (int32_t level = 0; level < most; level++)
                end = list_bits(end, above64(row + c, level) & low_bits(channels - c), place + (uint32_t)c);
        found |= (uint64_t)(end != before) << (x & 63);
    }
    for (; x <= op->padded_width; x++) starts[x] = (uint32_t)(end - list);
    *active = found;
    return (uint32_t)(end - list);
}

/* Add the rows of weights of at most 64 levels to a list. */
INLINE uint32_t *list_levels(uint32_t *list, const uint8_t *level, uint64_t which, uint32_t place, uint32_t times) {
#if defined(__AVX512BW__) && VECTOR == 64
    const uint64_t word = nonzero64(level) & which;
    const s32v most = all32((int32_t)times), places = counted_up(place - 1, times);
    for (int part = 0; part < 64 && which >> part; part += 16)
        list = list_some(list, (uint32_t)(word >> part) & 0xffff,
                         places + (int32_t)times * part + least32(load_u8_as_32(level + part), most));
    return list;
#else
    for (uint64_t word = nonzero64(level) & which; word; word &= word - 1) {
        const uint32_t channel = (uint32_t)__builtin_ctzll(word), here = level[channel];
        *list++ = place + channel * times + (here < times ? here : times) - 1;
    }
    return list;
#endif
}

/* List the rows of weights of a row's levels. */
static uint32_t scan_levels(const struct linear *op, const struct lists *to, const uint8_t *row, uint32_t count,
                            uint32_t *starts, int32_t channels, uint64_t *active) {
    const uint32_t times = (uint32_t)op->times;
    uint32_t *const list = to->list, *end = list + count, place = (uint32_t)(op->left * channels) * times;
    uint64_t found = 0;
    int32_t x = 0;
    for (; x < op->left; x++) starts[x] = count;
    for (; x < op->left + op->source_width; x++, row += channels, place += (uint32_t)channels * times) {
        const uint32_t *const before = end;
        starts[x] = (uint32_t)(end - list);
        for (int32_t c = 0; c < channels; c += 64)
            end = list_levels(end, row + c, low_bits(channels - c), place + (uint32_t)c * times, times);
        found |= (uint64_t)(end != before) << (x & 63);
    }
    for (; x <= op->padded_width; x++) starts[x] = (uint32_t)(end - list);
    *active = found;
    return (uint32_t)(end - list);
}

/* List a row's events of any numbers of spikes. */
static uint32_t scan_numbers(const struct linear *op, const struct lists *to, const void *row, int32_t type,
                             uint32_t count, uint32_t *starts, int32_t channels, uint64_t *active, uint8_t *big) {
    const int64_t elements = (int64_t)op->source_width * channels;
    int32_t most = 0;
    if (type == U8) {
        uint8_t largest = 0;
        for (int64_t i = 0; i < elements; i++) {
            const uint8_t x = ((const uint8_t *)row)[i];
            largest = x > largest ? x : largest;
        }
        most = largest;
    } else if (type == I16) {
        int16_t largest = 0, smallest = 0;
        for (int64_t i = 0; i < elements; i++) {
            const int16_t x = ((const int16_t *)row)[i];
            largest = x > largest ? x : largest;
            smallest = x < smallest ? x : smallest;
        }
        most = smallest < 0 ? FEW + 1 : largest;
    } else {
        for (int64_t i = 0; i < elements; i++) {
            const int32_t x = element(row, type, i);
            if (x > most || x < 0) most = x < 0 ? FEW + 1 : x;
        }
    }
    *big = most > FEW;
    if (type == U8 && !*big) return scan_few(op, to, row, most, count, starts, channels, active);
    uint64_t found = 0;
    int32_t x = 0; /* where the next start is written */
    for (int64_t first = 0; first < elements; first += 64) {
        const int64_t left = elements - first;
        uint64_t word = 0;
        if (type == U8) {
            word = nonzero64((const uint8_t *)row + first) & low_bits(left);
        } else {
            uint8_t marks[64] = {0};
            const int64_t here = left < 64 ? left : 64;
            if (type == I16)
                for (int64_t i = 0; i < here; i++) marks[i] = ((const int16_t *)row)[first + i] != 0;
            else
                for (int64_t i = 0; i < here; i++) marks[i] = ((const int32_t *)row)[first + i] != 0;
            word = nonzero64(marks) & low_bits(here);
        }
        for (; word; word &= word - 1) {
            const int64_t i = first + __builtin_ctzll(word);
            const int32_t number = element(row, type, i), here = op->left + (int32_t)(i / channels);
            for (; x <= here; x++) starts[x] = count;
            found |= (uint64_t)1 << (here & 63);
            for (int32_t times = *big ? 1 : number; times; times--) {
                to->list[count] = (uint32_t)(op->left * channels + i);
                to->number[count++] = *big ? number : 1;
            }
        }
    }
    for (; x <= op->padded_width; x++) starts[x] = count;
    *active = found;
    return count;
}

/* What a scan finds besides the lists. */
struct found { uint32_t events; int numbered; };

/* List the events of all rows. Of rows of single spikes only the begin and the end are known, until they are placed. */
static struct found scan(const struct run *run, const struct linear *op, const struct value *source) {
    const struct lists to = lists_of(run, op);
    const char *from = at(run, source->place);
    const int32_t channels = source->channels, width = op->padded_width;
    const int64_t row_bytes = (int64_t)source->width * channels * es_bytes_of(source->type);
    const int64_t elements = (int64_t)op->source_width * channels, words = (elements + 63) / 64;
    uint64_t *bits = (uint64_t *)at(run, op->bits_place);
    struct found found = {0, 0};
    for (int32_t r = 0; r < op->padded_height; r++) {
        uint32_t *starts = to.starts + (int64_t)r * (width + 1), count = found.events;
        const int32_t y = r - op->top;
        const void *row = from + y * row_bytes;
        uint64_t active = 0;
        uint8_t kind = PLACED;
        if (y < 0 || y >= op->source_height) {
            starts[0] = starts[width] = count;
        } else if (op->product == LEVELS) {
            found.events = scan_levels(op, &to, row, count, starts, channels, &active);
        } else if (source->type == U8 && is_binary(row, elements)) {
            uint64_t *own = bits + y * words;
            found.events = scan_bits(op, &to, row, count, channels, own);
            if (op->masked && found.events != count) active = active_positions(own, op, channels);
            starts[0] = count;
            starts[width] = found.events;
            kind = found.events == count ? PLACED : BITS;
        } else {
            uint8_t big;
            found.events = scan_numbers(op, &to, row, source->type, count, starts, channels, &active, &big);
            kind = big ? NUMBERED : PLACED;
            found.numbered |= big;
        }
        to.kind[r] = kind;
        to.active[r] = active;
    }
    return found;
}

/* Say where the events of each position begin, in the rows where only their bits are known. */
static void place(const struct run *run, const struct linear *op, int32_t channels) {
    const struct lists to = lists_of(run, op);
    const int64_t words = ((int64_t)op->source_width * channels + 63) / 64;
    const uint64_t *bits = (const uint64_t *)at(run, op->bits_place);
    for (int32_t r = op->top; r < op->top + op->source_height; r++) {
        uint32_t *starts = to.starts + (int64_t)r * (op->padded_width + 1);
        if (to.kind[r] == BITS) find_starts(bits + (r - op->top) * words, op, channels, starts[0], starts);
    }
}

/* Return at which positions of an output row any event arrives; rows of at most 64 positions. */
INLINE uint64_t active_row(const struct linear *op, const struct lists *from, int32_t y) {
    uint64_t found = 0;
    for (int32_t s = 0; s < op->segments; s++) {
        const struct segment *segment = &op->segment[s];
        uint64_t row = from->active[y * op->step_y + segment->row] >> segment->column;
        if (!row) continue;
        int32_t done = 1;
        while (2 * done <= segment->width) { row |= row >> done; done *= 2; }
        if (done < segment->width) row |= row >> (segment->width - done);
        found |= row;
    }
    if (op->step_x == 1) return found & low_bits(op->width);
    return every(found, op->step_bits, op->step_x) & low_bits(op->width);
}

/* A row of the source that a row of the output reads: where its events begin, and to which rows of weights they lead. */
struct line { const uint32_t *starts; int32_t width, numbered; uint32_t first; };

/* ---- sums of rows of weights ---- */

enum rows { ROWS16, ROWS8, ROWS16_WIDE, ROWS8_WIDE, ROWS32 };

#define BYTE_VECTORS 4
#define AT_ONCE 4 /* Lists of rows are filled up to a multiple of this with the row of zeros. */

/* Add up n vectors of sums over listed rows; the first output is at a place. */
INLINE void add_rows(const uint32_t *list, int64_t count, const char *weight, int64_t padded, int64_t place,
                     const void *bias, void *to, const int n, const int rows) {
    const int64_t bytes = rows == ROWS32 ? 4 : rows == ROWS8 || rows == ROWS8_WIDE ? 1 : 2, stride = padded * bytes;
    const int64_t from = place * (rows >= ROWS16_WIDE ? 4 : 2);
    s32v sum[MOST_VECTORS];
    UNROLL for (int k = 0; k < n; k++) sum[k] = load_s32v((const char *)bias + from + k * VECTOR);
    weight += place * bytes;
    for (int64_t event = 0; event < count; event += AT_ONCE) {
        UNROLL for (int e = 0; e < AT_ONCE; e++) {
            const char *row = weight + list[event + e] * stride;
            UNROLL for (int k = 0; k < n; k++) {
                switch (rows) {
                case ROWS16: sum[k] = (s32v)((s16v)sum[k] + load_s16v(row + k * VECTOR)); break;
                case ROWS8:
                    sum[k] = (s32v)((s16v)sum[k] + load_8_as_16(row + k * (VECTOR / 2)));
                    break;
                case ROWS16_WIDE: sum[k] += load_16_as_32(row + k * (VECTOR / 2)); break;
                case ROWS8_WIDE: sum[k] += load_8_as_32(row + k * (VECTOR / 4)); break;
                default: sum[k] += load_s32v(row + k * VECTOR);
                }
            }
        }
    }
    UNROLL for (int k = 0; k < n; k++) store_s32v((char *)to + from + k * VECTOR, sum[k]);
}

#if MOST_VECTORS > 4
#define MORE_SIZES(each, ...)                                                                                       \
    case 4: each(__VA_ARGS__, 4); break;                                                                            \
    case 5: each(__VA_ARGS__, 5); break;                                                                            \
    case 6: each(__VA_ARGS__, 6); break;                                                                            \
    case 7: each(__VA_ARGS__, 7); break;                                                                            \
    case 8: each(__VA_ARGS__, 8); break;                                                                            \
    case 9: each(__VA_ARGS__, 9); break;                                                                            \
    case 10: each(__VA_ARGS__, 10); break;                                                                          \
    case 11: each(__VA_ARGS__, 11); break;
#else
#define MORE_SIZES(each, ...)
#endif
#define ADD_ROWS(kind, n) add_rows(list, count, weight, padded, place, bias, to, n, kind)
#define ADDER(name, kind, lanes)                                                                                    \
    static void name(const uint32_t *list, int64_t count, const char *weight, int64_t padded, const void *bias,     \
                     void *to) {                                                                                    \
        for (int64_t place = 0, n; place < padded; place += n * (lanes)) {                                          \
            n = vectors_now((padded - place) / (lanes));                                                            \
            SIZES(ADD_ROWS, kind)                                                                                   \
        }                                                                                                           \
    }
ADDER(add_rows16, ROWS16, LANES16)
ADDER(add_rows8, ROWS8, LANES16)
ADDER(add_rows16_wide, ROWS16_WIDE, LANES32)
ADDER(add_rows8_wide, ROWS8_WIDE, LANES32)
ADDER(add_rows32, ROWS32, LANES32)

/* Add up n vectors of sums in bytes, over so few listed rows at once that bytes hold them. */
INLINE void add_rows_in_bytes(const struct linear *op, const uint32_t *list, int64_t count, int64_t place, int16_t *to,
                              const int n) {
    const int64_t stride = op->row_bytes, most = op->bytes_hold, left = op->padded - place;
    const int8_t *weight = (const int8_t *)op->weight + place;
    uint8_t bytes[VECTOR];
    to += place;
    for (int64_t first = 0; first < count; first += most) {
        const int64_t end = count - first < most ? count : first + most;
        u8v sum[BYTE_VECTORS];
        UNROLL for (int k = 0; k < n; k++) sum[k] = (u8v){0};
        for (int64_t event = first; event < end; event += AT_ONCE)
            UNROLL for (int e = 0; e < AT_ONCE; e++) {
                const int8_t *row = weight + list[event + e] * stride;
                UNROLL for (int k = 0; k < n; k++) sum[k] += load_u8v(row + k * VECTOR);
            }
        UNROLL for (int k = 0; k < n; k++) {
            int16_t *own = to + k * VECTOR;
            store_u8v(bytes, sum[k]);
            store_s16v(own, load_s16v(own) + load_8_as_16(bytes));
            if (k * VECTOR + LANES16 < left)
                store_s16v(own + LANES16, load_s16v(own + LANES16) + load_8_as_16(bytes + LANES16));
        }
    }
}

static void add_rows8_in_bytes(const struct linear *op, const uint32_t *list, int64_t count, int16_t *to) {
    const int64_t padded = op->padded;
    memcpy(to, op->bias, (size_t)padded * 2);
    for (int64_t place = 0; place < padded; place += BYTE_VECTORS * VECTOR)
        switch ((padded - place + VECTOR - 1) / VECTOR) {
        case 1: add_rows_in_bytes(op, list, count, place, to, 1); break;
        case 2: add_rows_in_bytes(op, list, count, place, to, 2); break;
        case 3: add_rows_in_bytes(op, list, count, place, to, 3); break;
        default: add_rows_in_bytes(op, list, count, place, to, BYTE_VECTORS);
        }
}

/* Add a row of weights times a number. */
INLINE void add_number(const struct linear *op, int64_t row, int32_t number, int32_t *to) {
    for (int64_t i = 0; i < op->padded; i += LANES32) {
        const int64_t place = row * op->padded + i;
        const char *weight = op->weight;
        s32v weights = op->weight_bits == 8    ? load_8_as_32(weight + place)
                       : op->weight_bits == 16 ? load_16_as_32(weight + 2 * place)
                                               : load_s32v(weight + 4 * place);
        store_s32v(to + i, load_s32v(to + i) + weights * number);
    }
}

/* Find the rows of the source with events that a row of the output reads. */
INLINE int find_lines(const struct linear *op, const struct lists *from, int32_t channels, int32_t y, struct line *line) {
    int lines = 0;
    for (int32_t s = 0; s < op->segments; s++) {
        const struct segment *segment = &op->segment[s];
        const int64_t row = (int64_t)y * op->step_y + segment->row;
        const uint32_t *starts = from->starts + row * (op->padded_width + 1);
        if (starts[0] == starts[op->padded_width]) continue;
        line[lines].starts = starts + segment->column;
        line[lines].width = segment->width;
        line[lines].numbered = from->kind[row] == NUMBERED;
        line[lines].first = ((uint32_t)segment->first - (uint32_t)segment->column * (uint32_t)channels) * (uint32_t)op->times;
        lines++;
    }
    return lines;
}

static struct sums sum_numbers(const struct linear *op, const struct lists *from, const struct line *line, int lines,
                               uint32_t channels, uint32_t place, int32_t *to) {
    memcpy(to, op->bias32, (size_t)op->padded * 4);
    for (int k = 0; k < lines; k++)
        for (uint32_t i = line[k].starts[place]; i < line[k].starts[place + (uint32_t)line[k].width]; i++)
            add_number(op, from->list[i] + line[k].first - place * channels, line[k].numbered ? from->number[i] : 1, to);
    return (struct sums){to, 1};
}

/* Sum what arrives at an output position; where 32 bits are needed, in other memory. */
INLINE struct sums sum_events(const struct linear *op, const struct lists *from, const struct line *line, int lines,
                              uint32_t channels, uint32_t x, void *to, int32_t *wide) {
    const uint32_t place = x * (uint32_t)op->step_x, shift = place * channels * (uint32_t)op->times;
    const uint32_t *events = from->list;
    uint32_t *list = from->rows;
    int64_t count = 0;
    int32_t numbered = 0;
    for (int k = 0; k < lines; k++) {
        const uint32_t begin = line[k].starts[place], end = line[k].starts[place + (uint32_t)line[k].width];
        const s32v first = all32((int32_t)(line[k].first - shift));
        for (int64_t i = 0; i < (int64_t)(end - begin); i += LANES32)
            store_s32v(list + count + i, load_s32v(events + begin + i) + first);
        count += end - begin;
        numbered |= begin != end ? line[k].numbered : 0;
    }
    if (numbered) return sum_numbers(op, from, line, lines, channels, place, wide);
    for (int i = 0; i < AT_ONCE; i++) list[count + i] = (uint32_t)(op->rows * op->times);
    const int small = !op->wide || count * op->largest_weight + op->largest_bias <= INT16_MAX;
    switch (op->weight_bits) {
    case 8:
        if (small && op->bytes_hold) add_rows8_in_bytes(op, list, count, to);
        else if (small) add_rows8(list, count, op->weight, op->padded, op->bias, to);
        else add_rows8_wide(list, count, op->weight, op->padded, op->bias32, wide);
        return (struct sums){small ? to : wide, !small};
    case 16:
        if (small) add_rows16(list, count, op->weight, op->padded, op->bias, to);
        else add_rows16_wide(list, count, op->weight, op->padded, op->bias32, wide);
        return (struct sums){small ? to : wide, !small};
    default:
        add_rows32(list, count, op->weight, op->padded, op->bias32, wide);
        return (struct sums){wide, 1};
    }
}

/* ---- sums by adding each event to all outputs that it leads to ---- */

#define MOST_SCATTERED 4 /* vectors of sums of a position */

INLINE void scatter(const uint32_t *event, const uint32_t *end, const struct reach *reach, int64_t further,
                    const char *weight, int64_t stride, int64_t back, char *row, int64_t position, const int n,
                    const int rows) {
    for (; event < end; event++) {
        const struct reach found = reach[*event + further];
        const char *from = weight + found.first * stride;
        char *to = row + found.low * position;
        for (int k = 0; k < found.count; k++, to += position, from -= back) {
            UNROLL for (int i = 0; i < n; i++) {
                char *sum = to + i * VECTOR;
                switch (rows) {
                case ROWS16: store_s16v(sum, load_s16v(sum) + load_s16v(from + i * VECTOR)); break;
                case ROWS8: store_s16v(sum, load_s16v(sum) + load_8_as_16(from + i * (VECTOR / 2))); break;
                case ROWS16_WIDE: store_s32v(sum, load_s32v(sum) + load_16_as_32(from + i * (VECTOR / 2))); break;
                case ROWS8_WIDE: store_s32v(sum, load_s32v(sum) + load_8_as_32(from + i * (VECTOR / 4))); break;
                default: store_s32v(sum, load_s32v(sum) + load_s32v(from + i * VECTOR));
                }
            }
        }
    }
}

#define SCATTERER(name, rows)                                                                                       \
    static void name(const uint32_t *event, const uint32_t *end, const struct reach *reach, int64_t further,        \
                     const char *weight, int64_t stride, int64_t back, char *row, int64_t position, int64_t n) {    \
        switch (n) {                                                                                                \
        case 1: scatter(event, end, reach, further, weight, stride, back, row, position, 1, rows); break;           \
        case 2: scatter(event, end, reach, further, weight, stride, back, row, position, 2, rows); break;           \
        case 3: scatter(event, end, reach, further, weight, stride, back, row, position, 3, rows); break;           \
        default: scatter(event, end, reach, further, weight, stride, back, row, position, 4, rows);                 \
        }                                                                                                           \
    }
SCATTERER(scatter16, ROWS16)
SCATTERER(scatter8, ROWS8)
SCATTERER(scatter16_wide, ROWS16_WIDE)
SCATTERER(scatter8_wide, ROWS8_WIDE)
SCATTERER(scatter32, ROWS32)

/* Whether it takes less to add events to a plane of sums than to gather them for each output; measured on Zen 3. */
INLINE int is_sparse(const struct linear *op, struct found found, int wide) {
    const int64_t vectors = op->padded / (wide ? LANES32 : LANES16);
    if (!op->scatters || found.numbered || vectors > MOST_SCATTERED) return 0;
    const double adds = found.events * op->adds, positions = (double)op->height * op->width;
    const double gathered = adds < positions ? adds : positions;
    return adds * (2 + 2 * (double)vectors) < gathered * (50 + 10 * op->segments);
}

/* Whether sums need 32 bits, of so many events. */
INLINE int is_wide(const struct linear *op, struct found found) {
    const int64_t most = (int64_t)found.events * op->largest_weight + op->largest_bias;
    return op->wide && !(op->weight_bits <= 16 && most <= INT16_MAX);
}

/* List all events, by their places in the source, if they are single spikes; return whether they are. */
static int list_all(const struct run *run, const struct linear *op, const struct value *source, struct found *found) {
    if (source->type != U8 || op->source_height != source->height || op->source_width != source->width) return 0;
    const uint8_t *from = (const uint8_t *)at(run, source->place);
    const int64_t size = source->size;
    if (!is_binary(from, size)) return 0;
    uint32_t *const list = lists_of(run, op).list, *end = list;
    for (int64_t i = 0; i < size; i += 64) end = list_bits(end, nonzero64(from + i) & low_bits(size - i), (uint32_t)i);
    found->events = (uint32_t)(end - list);
    return 1;
}

/* Begin a plane of sums with the bias. */
INLINE void begin_plane(const struct linear *op, char *plane, int wide) {
    const size_t position = (size_t)op->padded * (wide ? 4 : 2), positions = (size_t)op->height * (size_t)op->width;
    if (!op->biased) {
        memset(plane, 0, positions * position);
        return;
    }
    for (size_t p = 0; p < positions; p++)
        memcpy(plane + p * position, wide ? (const void *)op->bias32 : op->bias, position);
}

/* Add a row's events to the plane, where the element that an event names is so much further in a padded row. */
INLINE void scatter_row(const struct linear *op, const uint32_t *event, const uint32_t *end, int64_t further, int32_t row,
                        int32_t channels, char *plane, int wide) {
    const int64_t position = (int64_t)op->padded * (wide ? 4 : 2), stride = (int64_t)op->padded * op->weight_bits / 8;
    const int64_t back = (int64_t)op->step_x * channels * stride, vectors = position / VECTOR;
    for (int32_t k = op->targets[row]; k < op->targets[row + 1]; k++) {
        const char *own = (const char *)op->weight + op->target[k].first * stride;
        char *to = plane + (int64_t)op->target[k].y * op->width * position;
        (op->weight_bits == 8    ? (wide ? scatter8_wide : scatter8)
         : op->weight_bits == 16 ? (wide ? scatter16_wide : scatter16)
                                 : scatter32)(event, end, op->reach, further, own, stride, back, to, position, vectors);
    }
}

/* Sum what arrives at all outputs from a list of all events, and note where anything arrives. */
static void scatter_all(const struct run *run, const struct linear *op, const struct value *source, struct found found,
                        int wide) {
    const uint32_t *event = lists_of(run, op).list, *const end = event + found.events;
    const int32_t channels = source->channels;
    const int64_t elements = (int64_t)source->width * channels;
    uint64_t *reached = (uint64_t *)at(run, op->reached_place);
    char *plane = at(run, op->plane_place);
    begin_plane(op, plane, wide);
    memset(reached, 0, (size_t)op->height * 8);
    for (int32_t y = 0; event < end; y++) {
        const int64_t last = (y + 1) * elements, further = (int64_t)op->left * channels - y * elements;
        const uint32_t *first = event;
        uint64_t arrives = 0;
        for (; event < end && *event < last; event++) {
            const struct reach reach = op->reach[*event + further];
            arrives |= low_bits(reach.count) << (reach.low & 63);
        }
        if (first == event) continue;
        const int32_t row = y + op->top;
        for (int32_t k = op->targets[row]; k < op->targets[row + 1]; k++) reached[op->target[k].y] |= arrives;
        scatter_row(op, first, event, further, row, channels, plane, wide);
    }
}

/* Sum what arrives at all outputs from lists of rows. */
static void scatter_rows(const struct run *run, const struct linear *op, int32_t channels, int wide) {
    const struct lists from = lists_of(run, op);
    char *plane = at(run, op->plane_place);
    begin_plane(op, plane, wide);
    for (int32_t r = 0; r < op->padded_height; r++) {
        const uint32_t *starts = from.starts + (int64_t)r * (op->padded_width + 1);
        const uint32_t *event = from.list + starts[0], *end = from.list + starts[op->padded_width];
        if (event != end) scatter_row(op, event, end, 0, r, channels, plane, wide);
    }
}
