"""Words of the demo company: Chinese names made of parts, places, products, sentences. Data of the generator only.

Persons and organisations are random combinations; phones and e-mails (``199...``, ``example.com``) lead nowhere.
"""

SURNAMES = tuple("王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎")
GIVEN = tuple("明华丽强芳伟娜静敏磊洋艳勇军杰涛超秀霞平刚桂英玉兰婷雪慧宇晨欣怡子涵浩然梓萱思远佳琪文博雅楠嘉俊")

REGIONS = ("华东", "华南", "华北", "华中", "西南", "西北", "东北")
REGIONS_EN = ("East", "South", "North", "Central", "Southwest", "Northwest", "Northeast")
CITIES = (
    ("上海", "杭州", "南京", "苏州", "宁波"),
    ("广州", "深圳", "佛山", "东莞", "厦门"),
    ("北京", "天津", "石家庄", "太原", "济南"),
    ("武汉", "长沙", "郑州", "南昌", "合肥"),
    ("成都", "重庆", "昆明", "贵阳", "绵阳"),
    ("西安", "兰州", "银川", "西宁", "咸阳"),
    ("沈阳", "大连", "长春", "哈尔滨", "吉林"),
)
STREETS = ("示例路", "样本街", "演示大道", "测试巷", "模拟路")
STORE_SUFFIXES = ("一店", "二店", "三店")
STORE_SUFFIXES_EN = ("store 1", "store 2", "store 3")

COMPANY_FIRST = tuple("恒瑞鼎泰华盛嘉信诚远博联创新宏达")
COMPANY_SECOND = tuple("源丰通隆兴昌泽安邦润和利维拓科")
COMPANY_KINDS = ("商贸", "科技", "实业", "餐饮管理", "物流", "教育咨询", "酒店管理", "电子")
COMPANY_SUFFIX = "（示例）有限公司"
INDUSTRIES = ("制造业", "零售业", "餐饮业", "教育", "物流运输", "信息技术", "酒店旅游", "建筑业")
INDUSTRIES_EN = (
    "Manufacturing", "Retail", "Catering", "Education", "Logistics", "Information technology", "Hotels and travel",
    "Construction",
)  # fmt: skip
COMPANY_SIZES = ("micro", "small", "medium", "large")
COMPANY_SIZES_ZH = ("微型", "小型", "中型", "大型")
POSITIONS = ("leader", "major", "follower")

DEPARTMENTS = ("销售部", "市场部", "客服部", "数据部")
DEPARTMENTS_EN = ("Sales", "Marketing", "Customer service", "Data")
MEMBER_LEVELS = ("基础会员", "银卡", "金卡", "钻石卡")
MEMBER_LEVEL_SLUGS = ("basic", "silver", "gold", "diamond")
KINDS = ("个人", "单位")
GENDERS = ("女", "男")
ACQUISITION_CHANNELS = (
    "web", "social_media", "search", "fair", "forum", "partner", "association", "referral",
)  # fmt: skip
ORDER_CHANNELS = ("store", "mini_program", "website", "marketplace", "phone", "sales_rep")
ONLINE = (1, 2)  # codes of ORDER_CHANNELS whose visits leave events
CONTACT_CHANNELS = ("wechat", "phone", "email", "in_person", "sms", "app")

#: Category -> (lowest list price, ratio from one product to the next dearer, names from cheap to dear).
CATEGORIES: dict[str, tuple[float, float, tuple[str, ...]]] = {
    "食品饮料": (15, 1.62, ("坚果小袋", "花茶", "咖啡豆", "橄榄油", "蜂蜜礼盒", "茶叶礼盒", "年货大礼包", "珍品礼盒")),
    "家居用品": (19, 1.68, ("收纳盒", "浴巾", "香薰", "四件套", "空气炸锅", "台灯", "羽绒被", "智能床垫")),
    "个护美妆": (18, 1.58, ("洗手液", "洗发水", "面膜", "护手霜", "精华液", "面霜", "护肤套装", "高端礼盒")),
    "数码电器": (39, 1.85, ("数据线", "充电宝", "耳机", "音箱", "路由器", "平板", "投影仪", "笔记本电脑")),
    "服饰鞋包": (29, 1.60, ("袜子", "T恤", "衬衫", "双肩包", "运动鞋", "外套", "羽绒服", "皮具")),
    "母婴玩具": (16, 1.66, ("湿巾", "绘本", "积木", "奶瓶套装", "纸尿裤箱装", "童车", "安全座椅", "成长礼盒")),
    "办公用品": (12, 1.80, ("签字笔", "笔记本", "复印纸", "文件柜", "打印机", "碎纸机", "人体工学椅", "会议平板")),
    "运动户外": (25, 1.70, ("水杯", "跳绳", "瑜伽垫", "登山杖", "帐篷", "冲锋衣", "动感单车", "跑步机")),
}
CATEGORIES_EN = (
    "Food and drinks", "Household goods", "Personal care", "Electronics", "Clothes, shoes and bags",
    "Mother and baby", "Office supplies", "Sports and outdoor",
)  # fmt: skip

#: True causes of dropping out; the same slugs are the coded reasons of win-back contacts.
CAUSES = ("service_experience", "price", "product_quality", "competitor", "no_longer_needed")
COMPLAINT_REASONS = (
    "service_experience", "product_quality", "price", "delivery", "marketing",
)  # fmt: skip
COMPLAINT_TEXTS = (
    "回复太慢，问题拖了好几天没人处理",
    "商品有瑕疵，质量和描述不符",
    "刚买就降价，希望退差价",
    "物流配送延误，包装破损",
    "营销短信太多，希望停止推送",
)
INQUIRY_TEXTS = (
    "咨询会员积分如何兑换",
    "询问大额采购是否有优惠",
    "询问配送时间和范围",
    "咨询发票开具流程",
    "希望增加小规格产品",
    "建议推出订阅配送",
)
SURVEY_TEXTS_LOW = ("客服回复慢，希望改进", "价格偏高", "产品质量不稳定", "售后处理时间长")
SURVEY_TEXTS_HIGH = ("服务态度很好", "产品不错，会推荐给朋友", "送货很快", "客户经理很专业")

ACTION_KINDS = ("coupon", "call", "visit", "care")
ACTION_PROBLEMS = (
    ("客户联系人离职", "未及时更新联系人", "重新建立联系并补充档案"),
    ("客户预算调整", "对方年度预算缩减", "调整方案并提供基础套餐"),
    ("多次联系未接通", "联系电话或时间不合适", "改用微信并约定时间"),
    ("赠品延迟发放", "库存不足", "改发等值优惠券"),
)
FEEDBACKS = ("表示满意", "希望有更多优惠", "近期没有采购计划", "建议增加新品", "愿意继续合作")
DELIVERABLES = ("回访记录", "优惠券发放清单", "客户需求档案", "季度沟通纪要")

REGISTER_FEEDBACK = ("无投诉", "曾表扬客服", "曾投诉配送", "曾投诉回复慢")
REGISTER_DEVELOPMENTS = ("计划扩大门店", "近期更换采购负责人", "准备年会采购", "预算收紧")
REGISTER_NEEDS = ("希望定期配送", "关注节日礼品定制", "需要账期支持", "希望专属折扣")
REGISTER_CHAIN = ("采购专员-采购经理-总经理", "行政主管-财务-总经理", "店长-区域经理")

INTERVIEW_TOPICS = (
    ("high_churn", "老客户流失较多，尤其是西南地区"),
    ("slow_response", "咨询高峰期响应慢，客户等待时间长"),
    ("vague_portraits", "对客户需求了解不够，画像比较模糊"),
    ("price_pressure", "竞品促销力度大，客户对价格敏感"),
    ("scattered_data", "客户信息分散在各部门，更新不及时"),
    ("weak_follow_up", "优惠活动之后缺少持续跟进"),
)
INTERVIEW_ROLES = ("sales", "service", "management")
OVERRIDE_REASONS = ("集团战略合作客户", "正在洽谈年度框架协议", "客户重组，暂缓调整", "高层关系客户")
