import TapestryRecipes
import TapestryCore
import TapestryTorch
import TapestryTraining
import Testing

@Suite("How processes are started together") struct LaunchTests {
    @Test(arguments: [
        [:], ["MASTER_ADDR": "a"], ["SLURM_PROCID": "0", "SLURM_NTASKS": "4"],
        ["RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "a"],
    ])
    func alone(environment: [String: String]) throws {
        #expect(try Launch(environment: environment) == nil)
    }

    @Test func byTorchrun() throws {
        let environment = [
            "RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "MASTER_ADDR": "node1", "MASTER_PORT": "1234",
            "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "3",
        ]
        let launch = try Launch(environment: environment)
        let meeting = ProcessGroup.Meeting(
            rank: 2, size: 4, host: "node1", port: 1234, keepsStore: false, name: "tapestry/3")
        #expect(launch?.meeting == meeting && launch?.localRank == 0)
    }

    /// The first process keeps the store where no launcher does.
    @Test(arguments: [0, 1]) func byHand(rank: Int) throws {
        let environment = ["RANK": "\(rank)", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"]
        let meeting = try #require(try Launch(environment: environment)).meeting
        #expect(meeting.rank == rank && meeting.size == 2 && meeting.port == 29_500)
        #expect(try Launch(environment: environment)?.localRank == nil)
        #expect(meeting.keepsStore == (rank == 0))
    }

    @Test func bySlurm() throws {
        let environment = [
            "SLURM_PROCID": "3", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1", "MASTER_ADDR": "node1",
            "MASTER_PORT": "2000",
        ]
        let launch = try #require(try Launch(environment: environment))
        let meeting = launch.meeting
        #expect(launch.localRank == 1)
        #expect(meeting.rank == 3 && meeting.size == 8 && meeting.host == "node1" && meeting.port == 2000)
    }

    /// Each has the GPU of its number on its machine.
    @Test func onGPUs() throws {
        let alone = ["RANK": "5", "WORLD_SIZE": "8", "MASTER_ADDR": "a"]
        let launch = try #require(try Launch(environment: alone.merging(["LOCAL_RANK": "1"]) { $1 }))
        #expect(try launch.device(asked: .cpu) == .cpu && launch.device(asked: .cuda(0)) == .cuda(1))
        #expect(throws: SettingError.self) { try launch.device(asked: .cuda(1)) }
        let unknown = try #require(try Launch(environment: alone))
        let error = #expect(throws: SettingError.self) { try unknown.device(asked: .cuda(0)) }
        #expect(error?.description.contains("LOCAL_RANK") == true)
        #expect(try unknown.device(asked: .cpu) == .cpu)
    }

    @Test(arguments: [
        (["RANK": "0", "WORLD_SIZE": "2"], "MASTER_ADDR"), (["WORLD_SIZE": "2", "MASTER_ADDR": "a"], "RANK"),
        (["RANK": "0", "MASTER_ADDR": "a"], "WORLD_SIZE"),
        (["RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "a"], "0...1"),
        (["RANK": "0", "WORLD_SIZE": "two", "MASTER_ADDR": "a"], "two"),
        (["RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "65536"], "65536"),
        (["RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "LOCAL_RANK": "2"], "LOCAL_RANK"),
    ])
    func impossible(environment: [String: String], word: String) {
        let error = #expect(throws: SettingError.self) { try Launch(environment: environment) }
        #expect(error?.description.contains(word) == true)
    }
}
