import CTapestryKernels
import Glibc
import TapestryCore

extension Context {
    /// The median processor time of each step for as many random images as go through the plan together, in seconds, on
    /// one thread.
    func medianTimes(rounds: Int) -> [Double] {
        var all = [[Double]](repeating: [], count: plan.steps.count)
        for _ in 0..<rounds {
            for (step, time) in times(ofRandomImages: plan.capacity).enumerated() { all[step].append(time) }
        }
        return all.map { $0.sorted()[rounds / 2] }
    }

    /// The processor seconds that each step takes on one thread for images that go through the plan together.
    func times(ofRandomImages count: Int) -> [Double] {
        let images = Self.randomImages(count, for: plan)
        let share = tk_share(images: Int32(count), part: 0, parts: 1)
        var results = [Float](repeating: 0, count: count * Int(plan.output.layout.image.channels))
        return images.withUnsafeBufferPointer { images in
            results.withUnsafeMutableBufferPointer { results in
                let call = Call(
                    images: images.baseAddress!, count: count, areChannelsLast: false, results: results.baseAddress!)
                take(call, from: 0, share: share, arena: arenas[0])
                return plan.steps.map { step in
                    let start = Self.processorSeconds
                    run(step, share: share, arena: arenas[0], worker: 0)
                    return Self.processorSeconds - start
                }
            }
        }
    }

    /// The least time that a batch of random images takes, of several runs in half a second or so.
    func seconds(batch: Int) -> Double {
        let images = Self.randomImages(batch, for: plan)
        var results = [Float](repeating: 0, count: batch * Int(plan.output.layout.image.channels))
        return images.withUnsafeBufferPointer { images in
            results.withUnsafeMutableBufferPointer { results in
                let call = Call(
                    images: images.baseAddress!, count: batch, areChannelsLast: false, results: results.baseAddress!)
                var times: [Double] = []
                let start = ContinuousClock.now
                while times.count < 5 || ContinuousClock.now - start < .milliseconds(400) && times.count < 1000 {
                    let began = ContinuousClock.now
                    run(call)
                    times.append((ContinuousClock.now - began) / .seconds(1))
                }
                return times.min()!
            }
        }
    }

    private static func randomImages(_ count: Int, for plan: Plan) -> [Float] {
        let image = plan.input.layout.image
        var stream = RandomStream(seed: 0, purpose: .measurement)
        return (0..<count * Int(image.channels * image.height * image.width)).map { _ in
            Float(stream.uniform(in: -1...1))
        }
    }

    /// The time that this thread has had a processor, whatever else the machine does.
    private static var processorSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
