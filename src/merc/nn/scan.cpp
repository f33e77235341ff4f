// The selective scan of Mamba on a CPU, and the short causal convolution before it: forward and backward.
//
//     h[t] = exp(delta[t] A) h[t-1] + delta[t] u[t] B[t]        y[t] = (C[t] h[t] + D u[t]) silu(z[t])
//
// Sequences are packed: token t of sequence s is row offsets[s] + t, and nothing is padded. A vector holds W channels of
// one token; h (d_state x W) stays in the first-level cache while the tokens go by, four states at a time in registers.
// No (tokens, channels, d_state) array exists: forward keeps h only before every CHUNK-th token, backward computes the
// states of a chunk again. Sums over tokens or channels are split by the shape alone, never by the number of threads,
// so that any number gives the same bits. The package's build compiles this file once per kind of processor (setup.py).

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif
constexpr int CHUNK = 32;   // tokens between kept states: a chunk's scratch fits the first-level cache
constexpr int GROUP = 256;  // channels whose shares of dB and dC are summed by one task
constexpr int MAX_D_CONV = 8;  // greatest width of the convolution
typedef float F __attribute__((vector_size(4 * W)));
typedef int32_t I __attribute__((vector_size(4 * W)));
typedef uint32_t U __attribute__((vector_size(4 * W)));
typedef uint16_t Half __attribute__((vector_size(2 * W)));
typedef uint16_t bf16;

#define INLINE static inline __attribute__((always_inline))
// ---------------------------------------------------------------- vectors of W channels; the last one may be shorter

template <class T>
INLINE void copy(void* to, const void* from, int count) {  // a copy of known size is one instruction
    if (count == W) std::memcpy(to, from, W * sizeof(T));
    else std::memcpy(to, from, count * sizeof(T));
}

INLINE F load(const float* from, int count) {
    F value = {};
    copy<float>(&value, from, count);
    return value;
}

INLINE F load(const bf16* from, int count) {
    Half half = {};
    copy<bf16>(&half, from, count);
    return (F)(__builtin_convertvector(half, U) << 16);
}

INLINE void store(float* to, F value, int count) { copy<float>(to, &value, count); }

INLINE void store(bf16* to, F value, int count) {  // to nearest, ties to even
    U bits = (U)value;
    Half half = __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, Half);
    copy<bf16>(to, &half, count);
}

INLINE void add(float* to, F value, int count) { store(to, load(to, count) + value, count); }
INLINE F all(float value) { return F{} + value; }

INLINE F exp2(F x) {  // 2^x for x <= 0, relative error 1e-7; below -126 it is 2^-126
    const float magic = 12582912.0f + 127.0f;  // its sum with x holds round(x) + 127 in the lowest bits
    x = x < -126.0f ? all(-126.0f) : x;
    F rounded = x + magic;
    F f = x - (rounded - magic);
    F p = (((0.00132647273f * f + 0.00967151299f) * f + 0.0555073358f) * f + 0.240222424f) * f + 0.693147004f;
    return (p * f + 1.0f) * (F)((U)rounded << 23);
}

INLINE F fall(F x) { return exp2((F)((I)x | INT32_MIN) * 1.44269504f); }  // exp(-|x|)

INLINE F sigmoid(F x) {
    F e = fall(x);
    return (x < 0.0f ? e : all(1.0f)) / (1.0f + e);
}

INLINE F softplus(F x) {  // log(1 + exp(x)); log1p by the series of atanh
    F e = fall(x), s = e / (2.0f + e), q = s * s;
    F p = (((0.280119866f * q + 0.280018061f) * q + 0.400215268f) * q + 0.666664183f) * q + 2.0f;
    return (x < 0.0f ? F{} : x) + p * s;
}

// ---------------------------------------------------------------------------- what the caller hands over (kernel.py)

struct Scan {
    int64_t sequences, channels, d_state, ranges, half, threads;
    const int64_t *offsets, *ranges_at, *borders_at;  // rows, sequences and kept states at which each one begins
    const void *u, *z, *delta;                        // (tokens, channels), half: bf16, else float32
    int64_t u_row, z_row, delta_row;                  // elements from one token to the next
    const float *B, *C;                               // (tokens, d_state)
    int64_t bc_row;
    const float *decay, *skip, *bias;                 // A log2(e) (d_state, channels); D, bias of delta (channels)
    void* y;                                          // (tokens, channels), or null where only the mean is wanted
    float *mean, *borders;                            // (sequences, channels); (kept states, d_state, channels) or null
    const void* dy;                                   // backward: (tokens, channels), or null and
    const float* dmean;                               // (sequences, channels)
    void *du, *dz, *ddelta;
    int64_t dz_row;
    float *dB, *dC;                                   // (groups, tokens, d_state): one share a group of channels
    float *ddecay, *dskip, *dbias;                    // (ranges, [d_state,] channels): one share a range of sequences
};

struct Convolution {
    int64_t sequences, channels, d_conv, ranges, half, threads;
    const int64_t *offsets, *ranges_at;
    const void* x;
    int64_t x_row;
    const float *weight, *bias;  // (d_conv, channels), (channels)
    void* u;                     // (tokens, channels): silu(convolved)
    const void* du;
    void* dx;
    int64_t dx_row;
    float *dweight, *dbias;      // (ranges, d_conv, channels), (ranges, channels)
};

int64_t groups(int64_t channels) { return (channels + GROUP - 1) / GROUP; }

struct Part {  // what one task works on: a range of sequences and a group of channels
    int64_t range, group, first, last;
    template <class Work>
    Part(const Work& work, int64_t task) : range(task / groups(work.channels)), group(task % groups(work.channels)),
        first(group * GROUP), last(std::min<int64_t>(work.channels, first + GROUP)) {}
    int count(int64_t c) const { return (int)std::min<int64_t>(W, last - c); }
};

// ------------------------------------------------------------------------------------------------------ the recurrence

struct Room {  // what a thread holds: of `tokens` tokens from `row` on, and `count` channels from `c` on
    int64_t sequence, row, c;
    int tokens, count;
    F delta[CHUNK], input[CHUNK], y[CHUNK];      // input = delta u; y is before the gate
    F dy[CHUNK], ddelta[CHUNK], dinput[CHUNK];   // gradients
    F factor[CHUNK][4], state[CHUNK + 1][4];     // exp(delta A) and h of up to four states; state[0] is before the chunk
    std::vector<F> h, dh, dB, dC;                // (states), (blocks of the group, states), twice (states, CHUNK)
    explicit Room(const Scan& s)
        : h(s.d_state), dh(s.dz ? s.d_state * (GROUP / W) : 0), dB(s.dz ? s.d_state * CHUNK : 0), dC(dB.size()) {}
};

template <int N, bool KEEP>
INLINE void advance(const Scan& s, Room& k, int64_t n) {  // states n … n + N - 1 through the chunk
    F A[N], h[N];
    for (int i = 0; i < N; i++) {
        A[i] = load(s.decay + (n + i) * s.channels + k.c, k.count);
        h[i] = k.h[n + i];
        if (KEEP) k.state[0][i] = h[i];
    }
    for (int t = 0; t < k.tokens; t++) {
        const float *B = s.B + (k.row + t) * s.bc_row + n, *C = s.C + (k.row + t) * s.bc_row + n;
        F delta = k.delta[t], input = k.input[t], y = k.y[t];
        for (int i = 0; i < N; i++) {
            F factor = exp2(delta * A[i]);
            h[i] = factor * h[i] + input * B[i];
            y += h[i] * C[i];
            if (KEEP) k.factor[t][i] = factor, k.state[t + 1][i] = h[i];
        }
        k.y[t] = y;
    }
    for (int i = 0; i < N; i++) k.h[n + i] = h[i];
}

template <int N>
INLINE void retreat(const Scan& s, Room& k, int64_t n, F* g, float* ddecay) {  // and back: g is dh from the token after
    F A[N], G[N], dA[N];
    for (int i = 0; i < N; i++) A[i] = load(s.decay + (n + i) * s.channels + k.c, k.count), G[i] = g[n + i], dA[i] = F{};
    F *dB = &k.dB[n * CHUNK], *dC = &k.dC[n * CHUNK];
    for (int t = k.tokens - 1; t >= 0; t--) {
        const float *B = s.B + (k.row + t) * s.bc_row + n, *C = s.C + (k.row + t) * s.bc_row + n;
        F delta = k.delta[t], input = k.input[t], dy = k.dy[t], ddelta = k.ddelta[t], dinput = k.dinput[t];
        for (int i = 0; i < N; i++) {
            F dh = dy * C[i] + G[i];
            dC[i * CHUNK + t] += dy * k.state[t + 1][i];
            dB[i * CHUNK + t] += dh * input;
            dinput += dh * B[i];
            G[i] = dh * k.factor[t][i];
            F dexponent = G[i] * k.state[t][i];
            ddelta += dexponent * A[i];
            dA[i] += dexponent * delta;
        }
        k.ddelta[t] = ddelta, k.dinput[t] = dinput;
    }
    for (int i = 0; i < N; i++) g[n + i] = G[i], add(ddecay + (n + i) * s.channels + k.c, dA[i], k.count);
}

template <class T>
INLINE void open(const Scan& s, Room& k) {
    F bias = load(s.bias + k.c, k.count), skip = load(s.skip + k.c, k.count);
    for (int t = 0; t < k.tokens; t++) {
        F u = load((const T*)s.u + (k.row + t) * s.u_row + k.c, k.count);
        k.delta[t] = softplus(load((const T*)s.delta + (k.row + t) * s.delta_row + k.c, k.count) + bias);
        k.input[t] = k.delta[t] * u;
        k.y[t] = skip * u;
    }
}

template <class T>
INLINE void forward_sequence(const Scan& s, Room& k) {
    int64_t begin = s.offsets[k.sequence], end = s.offsets[k.sequence + 1], n;
    float* border = s.borders ? s.borders + s.borders_at[k.sequence] * s.d_state * s.channels + k.c : nullptr;
    F sum = {};
    for (n = 0; n < s.d_state; n++) k.h[n] = F{};
    for (k.row = begin; k.row < end; k.row += CHUNK) {
        k.tokens = (int)std::min<int64_t>(CHUNK, end - k.row);
        if (border && k.row > begin)
            for (n = 0; n < s.d_state; n++, border += s.channels) store(border, k.h[n], k.count);
        open<T>(s, k);
        for (n = 0; n + 4 <= s.d_state; n += 4) advance<4, false>(s, k, n);
        for (; n < s.d_state; n++) advance<1, false>(s, k, n);
        for (int t = 0; t < k.tokens; t++) {
            F z = load((const T*)s.z + (k.row + t) * s.z_row + k.c, k.count);
            F y = k.y[t] * z * sigmoid(z);
            if (s.y) store((T*)s.y + (k.row + t) * s.channels + k.c, y, k.count);
            sum += y;
        }
    }
    if (s.mean && end > begin) store(s.mean + k.sequence * s.channels + k.c, sum / (float)(end - begin), k.count);
}

template <class T>
void forward_task(const Scan& s, Room& k, int64_t task) {
    Part part(s, task);
    for (k.sequence = s.ranges_at[part.range]; k.sequence < s.ranges_at[part.range + 1]; k.sequence++)
        for (k.c = part.first; k.c < part.last; k.c += W) {
            k.count = part.count(k.c);
            forward_sequence<T>(s, k);
        }
}

template <class T>
INLINE F gradient(const Scan& s, const Room& k, int t) {  // of the gated output
    if (s.dy) return load((const T*)s.dy + (k.row + t) * s.channels + k.c, k.count);
    float tokens = (float)(s.offsets[k.sequence + 1] - s.offsets[k.sequence]);
    return load(s.dmean + k.sequence * s.channels + k.c, k.count) / tokens;
}

template <class T>
INLINE void finish_backward(const Scan& s, Room& k, const Part& part) {
    F bias = load(s.bias + k.c, k.count), skip = load(s.skip + k.c, k.count), dskip = {}, dbias = {};
    for (int t = 0; t < k.tokens; t++) {
        int64_t at = (k.row + t) * s.channels + k.c;
        F u = load((const T*)s.u + (k.row + t) * s.u_row + k.c, k.count);
        F z = load((const T*)s.z + (k.row + t) * s.z_row + k.c, k.count), gate = sigmoid(z);
        F raw = load((const T*)s.delta + (k.row + t) * s.delta_row + k.c, k.count) + bias;
        F ddelta = (k.ddelta[t] * 0.69314718f + k.dinput[t] * u) * sigmoid(raw);  // A is in powers of two
        F dz = gradient<T>(s, k, t) * k.y[t] * gate * (1.0f + z * (1.0f - gate));
        store((T*)s.dz + (k.row + t) * s.dz_row + k.c, dz, k.count);
        store((T*)s.du + at, k.dinput[t] * k.delta[t] + k.dy[t] * skip, k.count);
        store((T*)s.ddelta + at, ddelta, k.count);
        dskip += k.dy[t] * u;
        dbias += ddelta;
    }
    add(s.dskip + part.range * s.channels + k.c, dskip, k.count);
    add(s.dbias + part.range * s.channels + k.c, dbias, k.count);
}

template <class T>
INLINE void backward_chunk(const Scan& s, Room& k, const Part& part) {
    int64_t index = (k.row - s.offsets[k.sequence]) / CHUNK, n;
    const float* border = s.borders + (s.borders_at[k.sequence] + index - 1) * s.d_state * s.channels + k.c;
    for (n = 0; n < s.d_state; n++) k.h[n] = index ? load(border + n * s.channels, k.count) : F{};
    open<T>(s, k);
    for (int t = 0; t < k.tokens; t++) {
        F z = load((const T*)s.z + (k.row + t) * s.z_row + k.c, k.count);
        k.dy[t] = gradient<T>(s, k, t) * z * sigmoid(z);
        k.ddelta[t] = k.dinput[t] = F{};
    }
    F* g = &k.dh[(k.c - part.first) / W * s.d_state];
    float* ddecay = s.ddecay + part.range * s.d_state * s.channels;
    for (n = 0; n + 4 <= s.d_state; n += 4) advance<4, true>(s, k, n), retreat<4>(s, k, n, g, ddecay);
    for (; n < s.d_state; n++) advance<1, true>(s, k, n), retreat<1>(s, k, n, g, ddecay);
    finish_backward<T>(s, k, part);
}

INLINE void reduce(const std::vector<F>& from, float* to, int64_t d_state, int tokens) {  // to (tokens, d_state)
    for (int t = 0; t < tokens; t++)
        for (int64_t n = 0; n < d_state; n++) {
            to[t * d_state + n] = 0;
            for (int i = 0; i < W; i++) to[t * d_state + n] += from[n * CHUNK + t][i];
        }
}

template <class T>
void backward_task(const Scan& s, Room& k, int64_t task) {
    Part part(s, task);
    for (k.sequence = s.ranges_at[part.range]; k.sequence < s.ranges_at[part.range + 1]; k.sequence++) {
        int64_t begin = s.offsets[k.sequence], end = s.offsets[k.sequence + 1];
        std::fill(k.dh.begin(), k.dh.end(), F{});
        for (k.row = begin + (end - begin - 1) / CHUNK * CHUNK; k.row >= begin && k.row < end; k.row -= CHUNK) {
            k.tokens = (int)std::min<int64_t>(CHUNK, end - k.row);
            for (auto* sums : {&k.dB, &k.dC}) std::fill(sums->begin(), sums->end(), F{});
            for (k.c = part.first; k.c < part.last; k.c += W) {
                k.count = part.count(k.c);
                backward_chunk<T>(s, k, part);
            }
            int64_t share = (part.group * s.offsets[s.sequences] + k.row) * s.d_state;
            reduce(k.dB, s.dB + share, s.d_state, k.tokens);
            reduce(k.dC, s.dC + share, s.d_state, k.tokens);
        }
    }
}

// ------------------------------------------------------------------------------------------------------ the convolution

template <class T>
INLINE F convolved(const Convolution& s, int64_t begin, int64_t row, int64_t c, int count) {
    F sum = load(s.bias + c, count);
    const T* x = (const T*)s.x + (row - s.d_conv + 1) * s.x_row + c;
    for (int64_t j = std::max<int64_t>(0, s.d_conv - 1 - (row - begin)); j < s.d_conv; j++)
        sum += load(s.weight + j * s.channels + c, count) * load(x + j * s.x_row, count);
    return sum;
}

struct Recent {  // gradients before silu of the tokens that an input token reaches: token t's is [t % MAX_D_CONV]
    F reached[MAX_D_CONV][GROUP / W];
    explicit Recent(const Convolution&) {}
};

template <class T>
void convolution_task(const Convolution& s, Recent&, int64_t task) {
    Part part(s, task);
    for (int64_t sequence = s.ranges_at[part.range]; sequence < s.ranges_at[part.range + 1]; sequence++)
        for (int64_t row = s.offsets[sequence]; row < s.offsets[sequence + 1]; row++)
            for (int64_t c = part.first; c < part.last; c += W) {
                F x = convolved<T>(s, s.offsets[sequence], row, c, part.count(c));
                store((T*)s.u + row * s.channels + c, x * sigmoid(x), part.count(c));
            }
}

template <class T>
INLINE void convolve_back(const Convolution& s, Recent& recent, int64_t begin, int64_t end, int64_t row, Part part) {
    float* share = s.dweight + part.range * s.d_conv * s.channels;
    for (int64_t c = part.first; c < part.last; c += W) {
        int count = part.count(c);
        F x = convolved<T>(s, begin, row, c, count), gate = sigmoid(x), dx = {};
        F *reached = &recent.reached[0][(c - part.first) / W], *latest = reached + row % MAX_D_CONV * (GROUP / W);
        F d = *latest = load((const T*)s.du + row * s.channels + c, count) * gate * (1.0f + x * (1.0f - gate));
        add(s.dbias + part.range * s.channels + c, d, count);
        for (int64_t j = 0; j < s.d_conv; j++) {
            int64_t source = row - s.d_conv + 1 + j, target = row + s.d_conv - 1 - j;
            if (target < end) dx += load(s.weight + j * s.channels + c, count) * reached[target % MAX_D_CONV * (GROUP / W)];
            F x_j = source < begin ? F{} : load((const T*)s.x + source * s.x_row + c, count);
            add(share + j * s.channels + c, d * x_j, count);
        }
        store((T*)s.dx + row * s.dx_row + c, dx, count);
    }
}

template <class T>
void convolution_back_task(const Convolution& s, Recent& recent, int64_t task) {
    Part part(s, task);
    for (int64_t sequence = s.ranges_at[part.range]; sequence < s.ranges_at[part.range + 1]; sequence++) {
        int64_t begin = s.offsets[sequence], end = s.offsets[sequence + 1];
        for (int64_t row = end - 1; row >= begin; row--) convolve_back<T>(s, recent, begin, end, row, part);
    }
}

// -------------------------------------------------------------------------------------------------------------- threads

void (*lent)(void (*)(void*), void*, unsigned, unsigned) = nullptr;  // GOMP_parallel, of torch's own threads

template <class Memory, class Work>
void share_out(const Work& work, void (*run)(const Work&, Memory&, int64_t)) {
    int64_t tasks = work.ranges * groups(work.channels);
    std::atomic<int64_t> next{0};
    auto loop = [&] {
        Memory memory(work);
        for (int64_t task = next++; task < tasks; task = next++) run(work, memory, task);
    };
    int64_t threads = std::min(work.threads, tasks);
    if (lent && threads > 1) return lent([](void* data) { (*(decltype(loop)*)data)(); }, &loop, (unsigned)threads, 0);
    std::vector<std::thread> others;
    for (int64_t i = 1; i < threads; i++) others.emplace_back(loop);
    loop();
    for (auto& other : others) other.join();
}

}  // namespace

extern "C" {
int64_t merc_chunk() { return CHUNK; }
int64_t merc_group() { return GROUP; }
void merc_lend(void* parallel) { lent = (decltype(lent))parallel; }

void merc_scan(const Scan* s) { share_out<Room>(*s, s->half ? forward_task<bf16> : forward_task<float>); }
void merc_scan_backward(const Scan* s) { share_out<Room>(*s, s->half ? backward_task<bf16> : backward_task<float>); }

void merc_convolution(const Convolution* s) {
    share_out<Recent>(*s, s->half ? convolution_task<bf16> : convolution_task<float>);
}
void merc_convolution_backward(const Convolution* s) {
    share_out<Recent>(*s, s->half ? convolution_back_task<bf16> : convolution_back_task<float>);
}
}
